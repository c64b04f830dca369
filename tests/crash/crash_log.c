/* The log of one life. */
#include "crash_log.h"

#include <stdlib.h>
#include <string.h>

void *crash_grow(void *p, size_t n)
{
    void *grown = realloc(p, n > 0 ? n : 1);
    if (!grown)
        crash_die("no memory");
    return grown;
}

static void *copy_of(const void *p, size_t n)
{
    void *copy = crash_grow(NULL, n);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

void crash_log_wipe(struct crash_log *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->events[i].bytes);
        free(l->events[i].answer.lines);
    }
    free(l->events);
    free(l->reqs);
    *l = (struct crash_log){0};
}

static struct crash_event *add(struct crash_log *l, size_t at)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->events = crash_grow(l->events, l->cap * sizeof(*l->events));
    }
    memmove(&l->events[at + 1], &l->events[at], (l->n - at) * sizeof(*l->events));
    l->n++;
    l->events[at] = (struct crash_event){0};
    return &l->events[at];
}

void crash_log_io(void *self, const struct crash_io *io)
{
    struct crash_log *l = self;
    struct crash_event *e = add(l, l->n);
    e->kind = CRASH_EVENT_IO;
    e->io = io->kind;
    e->dsync = io->dsync;
    e->at = io->at;
    for (int i = 0; i < io->iov_n; i++)
        e->n += io->iov[i].iov_len;
    e->bytes = crash_grow(NULL, e->n);
    size_t n = 0;
    for (int i = 0; i < io->iov_n; i++) {
        memcpy(e->bytes + n, io->iov[i].iov_base, io->iov[i].iov_len);
        n += io->iov[i].iov_len;
    }
}

size_t crash_log_submit(struct crash_log *l, const struct crash_req *q)
{
    if (l->reqs_n == l->reqs_cap) {
        l->reqs_cap = l->reqs_cap ? 2 * l->reqs_cap : 128;
        l->reqs = crash_grow(l->reqs, l->reqs_cap * sizeof(*l->reqs));
    }
    l->reqs[l->reqs_n] = *q;
    struct crash_event *e = add(l, l->n);
    e->kind = CRASH_EVENT_SUBMIT;
    e->req = l->reqs_n;
    return l->reqs_n++;
}

void crash_log_answer(struct crash_log *l, const struct crash_answer *a, size_t at)
{
    struct crash_event *e = add(l, at);
    e->kind = CRASH_EVENT_ANSWER;
    e->answer = *a;
    e->answer.lines = copy_of(a->lines, a->lines_n * sizeof(*a->lines));
}
