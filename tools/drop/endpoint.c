/* Addresses: text to socket address and back. */
#include "endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX 256

/* Splits "HOST:PORT".  The host may be in brackets, and must be if it has colons itself.  NULL, or what is
 * wrong. */
static const char *split(const char *text, char host[HOST_MAX], const char **port)
{
    const char *from = text;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == 0)
        return "no port; write HOST:PORT";
    const char *to = colon;
    if (text[0] == '[') {
        from = text + 1;
        to = colon - 1;
        if (to < from || *to != ']')
            return "a bracketed address is [ADDRESS]:PORT";
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return "write an IPv6 address in brackets";
    }
    size_t len = (size_t)(to - from);
    if (len == 0 || len >= HOST_MAX)
        return "no host, or one that is too long";
    memcpy(host, from, len);
    host[len] = 0;
    *port = colon + 1;
    return NULL;
}

static bool is_port(const char *text)
{
    unsigned value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    for (size_t i = 0; i < len; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value <= 65535;
}

/* The first IPv4 address of a list, else the first IPv6 one, else NULL. */
static const struct addrinfo *choose(const struct addrinfo *list)
{
    const struct addrinfo *v6 = NULL;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        if (i->ai_family == AF_INET)
            return i;
        if (i->ai_family == AF_INET6 && v6 == NULL)
            v6 = i;
    }
    return v6;
}

int sp_endpoint_resolve(const char *text, struct sp_endpoint *out, struct sp_problem *problem)
{
    char host[HOST_MAX];
    const char *port = NULL;
    const char *wrong = split(text, host, &port);
    if (wrong != NULL)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s: %s", text, wrong);
    if (!is_port(port))
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s: a port is from 0 to 65535", text);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, port, &hints, &list);
    if (code != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_UNREACHABLE, "%s: %s", text, gai_strerror(code));
    int result = -1;
    const struct addrinfo *found = choose(list);
    if (found != NULL && found->ai_addrlen <= sizeof out->a) {
        memset(out, 0, sizeof *out);
        memcpy(&out->a, found->ai_addr, found->ai_addrlen);
        result = 0;
    } else {
        result = SP_PROBLEM_SET(problem, SP_PROBLEM_UNREACHABLE, "%s: no IPv4 or IPv6 address", text);
    }
    freeaddrinfo(list);
    return result;
}

socklen_t sp_endpoint_size(const struct sp_endpoint *e)
{
    if (e->a.any.sa_family == AF_INET)
        return sizeof e->a.v4;
    return e->a.any.sa_family == AF_INET6 ? sizeof e->a.v6 : 0;
}

uint16_t sp_endpoint_port(const struct sp_endpoint *e)
{
    return ntohs(e->a.any.sa_family == AF_INET ? e->a.v4.sin_port : e->a.v6.sin6_port);
}

bool sp_endpoint_is_equal(const struct sp_endpoint *a, const struct sp_endpoint *b)
{
    if (a->a.any.sa_family != b->a.any.sa_family || sp_endpoint_port(a) != sp_endpoint_port(b))
        return false;
    if (a->a.any.sa_family == AF_INET)
        return a->a.v4.sin_addr.s_addr == b->a.v4.sin_addr.s_addr;
    return memcmp(&a->a.v6.sin6_addr, &b->a.v6.sin6_addr, sizeof a->a.v6.sin6_addr) == 0 &&
           a->a.v6.sin6_scope_id == b->a.v6.sin6_scope_id;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t sp_endpoint_hash(const struct sp_endpoint *e)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (e->a.any.sa_family == AF_INET) {
        hash = hash_bytes(hash, &e->a.v4.sin_addr, sizeof e->a.v4.sin_addr);
        hash = hash_bytes(hash, &e->a.v4.sin_port, sizeof e->a.v4.sin_port);
    } else {
        hash = hash_bytes(hash, &e->a.v6.sin6_addr, sizeof e->a.v6.sin6_addr);
        hash = hash_bytes(hash, &e->a.v6.sin6_port, sizeof e->a.v6.sin6_port);
    }
    return hash ^ (hash >> 32);
}

void sp_endpoint_print(const struct sp_endpoint *e, char *dst, size_t cap)
{
    char host[SP_ENDPOINT_TEXT_MAX] = "";
    socklen_t size = sp_endpoint_size(e);
    if (size == 0 || getnameinfo(&e->a.any, size, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        (void)snprintf(dst, cap, "-");
    else if (e->a.any.sa_family == AF_INET6)
        (void)snprintf(dst, cap, "[%s]:%u", host, (unsigned)sp_endpoint_port(e));
    else
        (void)snprintf(dst, cap, "%s:%u", host, (unsigned)sp_endpoint_port(e));
}
