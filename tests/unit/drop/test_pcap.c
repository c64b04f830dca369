/* Capture files, read back by the book: headers, lengths, addresses, checksums. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcap.h"

#define FILE_HEADER   24U
#define RECORD_HEADER 16U

static char folder[] = "/tmp/pcap.XXXXXX";
static char path[64];
static uint8_t file[200000];
static size_t file_len;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/p.pcap", folder);
}

static void teardown(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(pcap, .init = setup, .fini = teardown);

static void read_back(void)
{
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    file_len = fread(file, 1, sizeof file, in);
    (void)fclose(in);
}

static struct sp_endpoint endpoint(const char *text)
{
    struct sp_endpoint e;
    struct sp_problem problem = {0};
    cr_assert_eq(sp_endpoint_resolve(text, &e, &problem), 0, "%s", problem.text);
    return e;
}

static uint32_t host32(size_t at)
{
    uint32_t v = 0;
    memcpy(&v, file + at, sizeof v);
    return v;
}

static unsigned net16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* The sum of a whole that holds its own checksum is 0xffff. */
static unsigned sum16(unsigned sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (unsigned)p[i] << 8 : p[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void write_one(const char *from, const char *to, const void *bytes, size_t len)
{
    struct sp_endpoint a = endpoint(from);
    struct sp_endpoint b = endpoint(to);
    struct sp_pcap *pcap = NULL;
    struct sp_pcap_datagram d = {
        .from = &a, .to = &b, .unix_us = 1700000000123456, .bytes = bytes, .len = len};
    cr_assert_eq(sp_pcap_open(&pcap, path, SP_PCAP_BYTES_MAX), 0);
    sp_pcap_add(pcap, &d);
    cr_expect_eq(sp_pcap_skipped(pcap), 0);
    cr_assert_eq(sp_pcap_close(&pcap), 0);
    cr_expect_null(pcap);
    read_back();
}

Test(pcap, ipv4)
{
    write_one("10.0.0.1:1000", "10.0.0.2:7400", "hello", 5);
    cr_assert_eq(file_len, FILE_HEADER + RECORD_HEADER + 20 + 8 + 5);
    cr_expect_eq(host32(0), 0xa1b2c3d4U);
    cr_expect_eq(host32(20), 101, "LINKTYPE_RAW");
    cr_expect_eq(host32(24), 1700000000);
    cr_expect_eq(host32(28), 123456);
    cr_expect_eq(host32(32), 33);
    cr_expect_eq(host32(36), 33);
    const uint8_t *ip = file + FILE_HEADER + RECORD_HEADER;
    const uint8_t *udp = ip + 20;
    cr_expect_eq(ip[0], 0x45);
    cr_expect_eq(net16(ip + 2), 33);
    cr_expect_eq(ip[9], 17);
    cr_expect_eq(memcmp(ip + 12, (const uint8_t[]){10, 0, 0, 1, 10, 0, 0, 2}, 8), 0);
    cr_expect_eq(sum16(0, ip, 20), 0xffff);
    cr_expect_eq(net16(udp), 1000);
    cr_expect_eq(net16(udp + 2), 7400);
    cr_expect_eq(net16(udp + 4), 13);
    cr_expect_eq(sum16(sum16(17 + 13, ip + 12, 8), udp, 13), 0xffff);
    cr_expect_eq(memcmp(udp + 8, "hello", 5), 0);
}

Test(pcap, ipv6)
{
    write_one("[2001:db8::1]:1000", "[2001:db8::2]:7400", "hello!", 6);
    cr_assert_eq(file_len, FILE_HEADER + RECORD_HEADER + 40 + 8 + 6);
    const uint8_t *ip = file + FILE_HEADER + RECORD_HEADER;
    const uint8_t *udp = ip + 40;
    cr_expect_eq(ip[0] >> 4, 6);
    cr_expect_eq(net16(ip + 4), 14);
    cr_expect_eq(ip[6], 17);
    cr_expect_eq(ip[23], 1);
    cr_expect_eq(ip[39], 2);
    cr_expect_eq(net16(udp + 4), 14);
    cr_expect_eq(sum16(sum16(17 + 14, ip + 8, 32), udp, 14), 0xffff);
}

Test(pcap, empty_payload)
{
    write_one("10.0.0.1:1000", "10.0.0.2:7400", NULL, 0);
    cr_assert_eq(file_len, FILE_HEADER + RECORD_HEADER + 28);
    const uint8_t *ip = file + FILE_HEADER + RECORD_HEADER;
    cr_expect_eq(sum16(sum16(17 + 8, ip + 12, 8), ip + 20, 8), 0xffff);
}

/* 65,507 bytes are the most that IPv4 carries in a UDP datagram. */
Test(pcap, largest_datagram)
{
    static uint8_t bytes[65508];
    memset(bytes, 0xff, sizeof bytes);
    write_one("10.0.0.1:1000", "10.0.0.2:7400", bytes, 65507);
    cr_assert_eq(file_len, FILE_HEADER + RECORD_HEADER + 65535);
    const uint8_t *ip = file + FILE_HEADER + RECORD_HEADER;
    cr_expect_eq(net16(ip + 2), 65535);
    cr_expect_eq(sum16(sum16(17 + 65515, ip + 12, 8), ip + 20, 65515), 0xffff);
}

Test(pcap, what_does_not_fit_is_counted)
{
    static uint8_t bytes[65508];
    struct sp_endpoint a = endpoint("10.0.0.1:1000");
    struct sp_endpoint b = endpoint("[::1]:7400");
    struct sp_pcap *pcap = NULL;
    struct stat st;
    struct sp_pcap_datagram mixed = {.from = &a, .to = &b, .bytes = bytes, .len = 5};
    struct sp_pcap_datagram big = {.from = &a, .to = &a, .bytes = bytes, .len = sizeof bytes};
    struct sp_pcap_datagram small = {.from = &a, .to = &a, .bytes = bytes, .len = 56};
    cr_assert_eq(sp_pcap_open(&pcap, path, 1000), 0);
    sp_pcap_add(pcap, &mixed);
    sp_pcap_add(pcap, &big);
    cr_expect_eq(sp_pcap_skipped(pcap), 2);
    for (unsigned i = 0; i < 15; i++)
        sp_pcap_add(pcap, &small);
    cr_expect_eq(sp_pcap_skipped(pcap), 2 + 5, "ten records of 100 bytes fit in 1000");
    sp_pcap_flush(pcap);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_size, 1000 + (off_t)FILE_HEADER);
    cr_expect_eq(sp_pcap_close(&pcap), 0);
}

Test(pcap, none_is_allowed_and_failures_are_told)
{
    struct sp_pcap *pcap = NULL;
    struct sp_pcap_datagram d = {0};
    sp_pcap_add(pcap, &d);
    sp_pcap_flush(pcap);
    cr_expect_eq(sp_pcap_skipped(pcap), 0);
    cr_expect_eq(sp_pcap_close(&pcap), 0);
    cr_expect_eq(sp_pcap_open(&pcap, "/nonexistent/p.pcap", 1000), -1);
    cr_expect_eq(errno, ENOENT);
    cr_expect_null(pcap);
}
