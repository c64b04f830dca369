/* A classic capture file (tcpdump, wireshark): every datagram that enters the relay, with IP and UDP headers
 * made for it.  It has a maximum and then only counts. */
#ifndef SP_PCAP_H
#define SP_PCAP_H

#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

#define SP_PCAP_BYTES_MAX (UINT64_C(1) << 30) /* of --pcap */

struct sp_pcap;

struct sp_pcap_datagram {
    const struct sp_endpoint *from, *to; /* of one family */
    int64_t unix_us;                     /* wall clock of its arrival */
    const uint8_t *bytes;
    size_t len;
};

/* Creates or empties the file, which is to stay within `bytes_max` of records, and writes its header.  0, or
 * -1 with errno and *out unchanged. */
int sp_pcap_open(struct sp_pcap **out, const char *path, uint64_t bytes_max);

/* Writes what is buffered, closes, sets *pcap to NULL.  NULL inside is allowed.  0, or -1 if anything was not
 * written. */
int sp_pcap_close(struct sp_pcap **pcap);

/* Adds a datagram, or counts it as skipped if it would exceed the maximum or if it fits no IP
 * packet. `pcap` may be NULL. */
void sp_pcap_add(struct sp_pcap *pcap, const struct sp_pcap_datagram *d);

/* Makes what was added visible to readers. */
void sp_pcap_flush(struct sp_pcap *pcap);

/* Datagrams that found no room. */
uint64_t sp_pcap_skipped(const struct sp_pcap *pcap);

#endif
