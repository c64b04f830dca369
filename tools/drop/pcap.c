/* Capture files: draft-ietf-opsawg-pcap, link type 101 (LINKTYPE_RAW: packets begin with the IP header),
 * times in microseconds, fields in the order of this machine, which the magic number tells the reader. */
#include "pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_US     0xa1b2c3d4U
#define LINKTYPE_RAW 101U
#define SNAPLEN      65575U /* 40 bytes of IPv6 header and the most that its length field counts */
#define IPV4_BYTES   20U
#define IPV6_BYTES   40U
#define UDP_BYTES    8U
#define HEADER_MAX   (IPV6_BYTES + UDP_BYTES)
#define PROTOCOL_UDP 17U
#define HOPS         64U

struct sp_pcap {
    FILE *file;
    uint64_t bytes, bytes_max, skipped;
};

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The Internet checksum, RFC 1071: the sum of 16-bit words, not yet folded. */
static uint64_t sum_words(uint64_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint64_t)p[i] << 8 | p[i + 1];
    if (len % 2 == 1)
        sum += (uint64_t)p[len - 1] << 8;
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* RFC 791.  No options, no fragments. */
static size_t put_ipv4(uint8_t *p, const struct sp_pcap_datagram *d)
{
    memset(p, 0, IPV4_BYTES);
    p[0] = 0x45;
    put16(p + 2, IPV4_BYTES + UDP_BYTES + d->len);
    p[6] = 0x40;
    p[8] = HOPS;
    p[9] = PROTOCOL_UDP;
    memcpy(p + 12, &d->from->a.v4.sin_addr, 4);
    memcpy(p + 16, &d->to->a.v4.sin_addr, 4);
    put16(p + 10, fold(sum_words(0, p, IPV4_BYTES)));
    return IPV4_BYTES;
}

/* RFC 8200. */
static size_t put_ipv6(uint8_t *p, const struct sp_pcap_datagram *d)
{
    memset(p, 0, IPV6_BYTES);
    p[0] = 0x60;
    put16(p + 4, UDP_BYTES + d->len);
    p[6] = PROTOCOL_UDP;
    p[7] = HOPS;
    memcpy(p + 8, &d->from->a.v6.sin6_addr, 16);
    memcpy(p + 24, &d->to->a.v6.sin6_addr, 16);
    return IPV6_BYTES;
}

/* RFC 768; the checksum covers a pseudo header of addresses, protocol and length.  `addresses` are those of
 * the IP header, which lie side by side in both families. */
static void put_udp(uint8_t *p, const struct sp_pcap_datagram *d, const uint8_t *addresses,
                    size_t addresses_len)
{
    put16(p, sp_endpoint_port(d->from));
    put16(p + 2, sp_endpoint_port(d->to));
    put16(p + 4, UDP_BYTES + d->len);
    put16(p + 6, 0);
    uint64_t sum = sum_words(PROTOCOL_UDP + UDP_BYTES + d->len, addresses, addresses_len);
    sum = sum_words(sum_words(sum, p, UDP_BYTES), d->bytes, d->len);
    uint16_t checksum = fold(sum);
    put16(p + 6, checksum == 0 ? 0xffff : checksum);
}

/* Both headers, or 0 if the datagram fits no packet. */
static size_t put_headers(uint8_t p[HEADER_MAX], const struct sp_pcap_datagram *d)
{
    int family = d->from->a.any.sa_family;
    if (family != d->to->a.any.sa_family)
        return 0;
    if (family == AF_INET && d->len + IPV4_BYTES + UDP_BYTES <= UINT16_MAX) {
        size_t ip = put_ipv4(p, d);
        put_udp(p + ip, d, p + 12, 8);
        return ip + UDP_BYTES;
    }
    if (family == AF_INET6 && d->len + UDP_BYTES <= UINT16_MAX) {
        size_t ip = put_ipv6(p, d);
        put_udp(p + ip, d, p + 8, 32);
        return ip + UDP_BYTES;
    }
    return 0;
}

static int put_file_header(FILE *file)
{
    const uint32_t magic = MAGIC_US;
    const uint16_t version[2] = {2, 4};
    const uint32_t rest[4] = {0, 0, SNAPLEN, LINKTYPE_RAW};
    if (fwrite(&magic, sizeof magic, 1, file) != 1 || fwrite(version, sizeof version, 1, file) != 1)
        return -1;
    return fwrite(rest, sizeof rest, 1, file) == 1 && fflush(file) == 0 ? 0 : -1;
}

int sp_pcap_open(struct sp_pcap **out, const char *path, uint64_t bytes_max)
{
    struct sp_pcap *pcap = calloc(1, sizeof *pcap);
    if (pcap == NULL)
        return -1;
    pcap->file = fopen(path, "we");
    if (pcap->file == NULL || put_file_header(pcap->file) != 0) {
        int error = errno;
        if (pcap->file != NULL)
            (void)fclose(pcap->file);
        free(pcap);
        errno = error;
        return -1;
    }
    pcap->bytes_max = bytes_max;
    *out = pcap;
    return 0;
}

int sp_pcap_close(struct sp_pcap **pcap)
{
    if (*pcap == NULL)
        return 0;
    int bad = ferror((*pcap)->file);
    if (fclose((*pcap)->file) != 0)
        bad = 1;
    free(*pcap);
    *pcap = NULL;
    return bad != 0 ? -1 : 0;
}

void sp_pcap_add(struct sp_pcap *pcap, const struct sp_pcap_datagram *d)
{
    if (pcap == NULL)
        return;
    uint8_t headers[HEADER_MAX];
    size_t headers_len = put_headers(headers, d);
    uint64_t size = sizeof(uint32_t[4]) + headers_len + d->len;
    if (headers_len == 0 || pcap->bytes + size > pcap->bytes_max) {
        pcap->skipped++;
        return;
    }
    pcap->bytes += size;
    uint32_t len = (uint32_t)(headers_len + d->len);
    const uint32_t record[4] = {(uint32_t)(d->unix_us / 1000000), (uint32_t)(d->unix_us % 1000000), len, len};
    (void)fwrite(record, sizeof record, 1, pcap->file);
    (void)fwrite(headers, headers_len, 1, pcap->file);
    if (d->len > 0)
        (void)fwrite(d->bytes, d->len, 1, pcap->file);
}

void sp_pcap_flush(struct sp_pcap *pcap)
{
    if (pcap != NULL)
        (void)fflush(pcap->file);
}

uint64_t sp_pcap_skipped(const struct sp_pcap *pcap)
{
    return pcap == NULL ? 0 : pcap->skipped;
}
