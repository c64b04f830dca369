/* A line of a history: hostile text for its reader.
 *
 * Promises: nothing is read beyond the end; what is no event says why; an event has a kind and values within
 * their ranges; written as a line of ours it is the same event again, and that line without its last byte is
 * none. */
#include "fuzz.h"
#include "historyread.h"

#include <sampan/err.h>

static bool is_same_name(struct sp_view a, struct sp_view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool is_same(const struct sp_history_event *a, const struct sp_history_event *b)
{
    return a->kind == b->kind && a->at_us == b->at_us && is_same_name(a->user, b->user) &&
           a->device == b->device && is_same_name(a->peer, b->peer) && a->peer_device == b->peer_device &&
           a->msgid == b->msgid && a->install == b->install && a->epoch == b->epoch &&
           a->commit == b->commit && a->hash == b->hash && a->len == b->len && a->flags == b->flags &&
           a->seq == b->seq && a->hi == b->hi && a->state == b->state && a->code == b->code &&
           a->is_repeat == b->is_repeat;
}

static int read_exact(const void *line, size_t n, struct sp_history_event *e,
                      struct sp_historyread_names *names)
{
    const char *reason = NULL;
    uint8_t *exact = fuzz_copy(line, n);
    int rc = sp_historyread_line((const char *)exact, n, e, names, &reason);
    free(exact);
    fuzz_tell("%.*s: %s", (int)n, (const char *)line, reason);
    FUZZ_CHECK(rc == 0 || rc == SP_EMALFORMED);
    FUZZ_CHECK((rc == 0) == (reason[0] == '\0'));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_history_event e, again;
    struct sp_historyread_names names, names_again;
    char line[SP_HISTORY_LINE_MAX];
    if (read_exact(data, size, &e, &names) != 0)
        return 0;
    FUZZ_CHECK(e.kind > SP_HISTORY_NONE && e.kind < SP_HISTORY_KINDS);
    FUZZ_CHECK(e.user.n <= SP_USER_MAX && e.peer.n <= SP_USER_MAX);
    FUZZ_CHECK(e.state >= 0 && e.state <= 255 && e.code >= 0 && e.code <= 255);
    FUZZ_CHECK(e.at_us >= 0);
    size_t n = sp_history_encode(&e, line, sizeof line);
    FUZZ_CHECK(n > 0 && n <= sizeof line && line[n - 1] == '\n');
    FUZZ_CHECK(read_exact(line, n - 1, &again, &names_again) == 0);
    FUZZ_CHECK(is_same(&e, &again));
    FUZZ_CHECK(read_exact(line, n - 2, &again, &names_again) != 0);
    return 0;
}
