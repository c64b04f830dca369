#include "addr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define HOST_MAX 256 /* bytes of a host name, end included */

/* Splits "HOST:PORT" or "[HOST]:PORT".  A bare IPv6 address with a port is ambiguous and refused. */
static bool split(const char *text, char *host, size_t cap, uint16_t *port)
{
    const char *begin = text, *end = NULL, *colon = NULL;
    uint64_t number = 0;
    size_t len = 0;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        colon = end != NULL ? end + 1 : NULL;
    } else {
        end = colon = strrchr(text, ':');
        if (colon != NULL && memchr(text, ':', (size_t)(colon - text)) != NULL)
            return false;
    }
    if (colon == NULL || *colon != ':' || !sp_text_number(colon + 1, 0, 65535, &number))
        return false;
    len = (size_t)(end - begin);
    if (len == 0 || len >= cap)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool sp_addr_parse(const char *text, struct sp_addr *out)
{
    char host[HOST_MAX];
    struct sp_addr a = {0};
    if (!split(text, host, sizeof host, &a.port))
        return false;
    if (*text != '[' && inet_pton(AF_INET, host, a.ip) == 1)
        a.family = 4;
    else if (*text == '[' && inet_pton(AF_INET6, host, a.ip) == 1)
        a.family = 6;
    else
        return false;
    *out = a;
    return true;
}

/* Appends what the resolver found, each address once. */
static size_t collect(const struct addrinfo *list, uint16_t port, struct sp_addr *out, size_t cap)
{
    size_t n = 0;
    for (const struct addrinfo *ai = list; ai != NULL && n < cap; ai = ai->ai_next) {
        struct sockaddr_storage ss = {0};
        struct sp_addr a = {0};
        size_t i = 0;
        if (ai->ai_addrlen > sizeof ss)
            continue;
        memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
        if (!sp_addr_from_sock(&ss, &a))
            continue;
        a.port = port;
        while (i < n && !sp_addr_is_equal(&out[i], &a))
            i++;
        if (i == n)
            out[n++] = a;
    }
    return n;
}

int sp_addr_resolve(const char *text, struct sp_addr *out, size_t cap, size_t *n, struct sp_trouble *t)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    char host[HOST_MAX];
    uint16_t port = 0;
    size_t found = 0;
    int err = 0;
    if (sp_addr_parse(text, &out[0])) {
        *n = 1;
        return 0;
    }
    if (!split(text, host, sizeof host, &port))
        return sp_trouble_set(t, SP_EXIT_USAGE, "'%s' is not HOST:PORT or [IPv6]:PORT", text);
    err = getaddrinfo(host, NULL, &hints, &list);
    if (err != 0)
        return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "%s: %s", host, gai_strerror(err));
    found = collect(list, port, out, cap);
    freeaddrinfo(list);
    if (found == 0)
        return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "%s: no IPv4 or IPv6 address", host);
    *n = found;
    return 0;
}

void sp_addr_print(const struct sp_addr *a, char *dst, size_t cap)
{
    char ip[INET6_ADDRSTRLEN] = "";
    if (a->family == 4 && inet_ntop(AF_INET, a->ip, ip, sizeof ip) != NULL)
        (void)snprintf(dst, cap, "%s:%u", ip, a->port);
    else if (a->family == 6 && inet_ntop(AF_INET6, a->ip, ip, sizeof ip) != NULL)
        (void)snprintf(dst, cap, "[%s]:%u", ip, a->port);
    else
        (void)snprintf(dst, cap, "-");
}

socklen_t sp_addr_to_sock(const struct sp_addr *a, struct sockaddr_storage *out)
{
    if (a->family == 4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&v4.sin_addr, a->ip, 4);
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    if (a->family == 6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
        memcpy(&v6.sin6_addr, a->ip, 16);
        memcpy(out, &v6, sizeof v6);
        return sizeof v6;
    }
    return 0;
}

bool sp_addr_from_sock(const struct sockaddr_storage *ss, struct sp_addr *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct sp_addr a = {0};
    if (ss->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, ss, sizeof v4);
        memcpy(a.ip, &v4.sin_addr, 4);
        a.port = ntohs(v4.sin_port);
        a.family = 4;
    } else if (ss->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        const uint8_t *ip = v6.sin6_addr.s6_addr;
        memcpy(&v6, ss, sizeof v6);
        a.port = ntohs(v6.sin6_port);
        a.family = memcmp(ip, mapped, sizeof mapped) == 0 ? 4 : 6;
        if (a.family == 4)
            memcpy(a.ip, ip + 12, 4);
        else
            memcpy(a.ip, ip, 16);
    } else {
        return false;
    }
    *out = a;
    return true;
}

bool sp_addr_is_equal(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool sp_addr_is_loopback(const struct sp_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->family == 4 ? a->ip[0] == 127 : a->family == 6 && memcmp(a->ip, one, sizeof one) == 0;
}

bool sp_addr_is_any(const struct sp_addr *a)
{
    static const uint8_t zero[16];
    return a->family != 0 && memcmp(a->ip, zero, sizeof zero) == 0;
}
