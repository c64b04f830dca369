/* Frames that are not done: three classes of waiting lists, the sent list, two hash tables of chains. */
#include "queue.h"

#include <sampan/err.h>

#include "bug.h"

#include <string.h>

#define SMALL_LEN (sizeof(struct sp_queue_frame) + SP_QUEUE_SMALL)
#define LARGE_LEN (sizeof(struct sp_queue_frame) + SP_QUEUE_LARGE)

size_t sp_queue_small_len(void)
{
    return SMALL_LEN;
}

size_t sp_queue_large_len(void)
{
    return LARGE_LEN;
}

static struct sp_queue_frame *frame_of(struct sp_node *n)
{
    return n == NULL ? NULL : SP_LIST_ITEM(n, struct sp_queue_frame, node);
}

/* Fibonacci hashing: msgids and seqs count upwards, so their low bits alone would also do, but a caller may
 * count in the high ones. */
static size_t bucket_of(uint64_t v)
{
    return (size_t)((v * 0x9e3779b97f4a7c15u) >> 59);
}
SP_STATIC_ASSERT(SP_QUEUE_BUCKETS == 1 << 5, "bucket_of keeps five bits");

void sp_queue_init(struct sp_queue *q, struct sp_pool *small, struct sp_pool *large)
{
    memset(q, 0, sizeof *q);
    q->small = small;
    q->large = large;
    for (size_t i = 0; i < SP_QUEUE_CLASSES; i++) {
        sp_list_init(&q->again[i]);
        sp_list_init(&q->fresh[i]);
    }
    sp_list_init(&q->sent);
    sp_list_init(&q->acked);
    sp_list_init(&q->dropped);
}

static void give(struct sp_queue *q, struct sp_queue_frame *f)
{
    SP_ASSERT(sp_list_is_empty(&f->copies));
    sp_list_remove(&f->node);
    q->frames--;
    sp_pool_give(f->is_large ? q->large : q->small, f);
}

/* Takes f out of both hash tables, so that it is not found any more. */
static void unhash(struct sp_queue *q, struct sp_queue_frame *f)
{
    if (f->key != 0) {
        struct sp_queue_frame **at = &q->by_key[bucket_of(f->key)];
        while (*at != f)
            at = &(*at)->next_key;
        *at = f->next_key;
    }
    if (f->ref != 0) {
        struct sp_queue_frame **at = &q->by_ref[bucket_of(f->ref)];
        while (*at != f)
            at = &(*at)->next_ref;
        *at = f->next_ref;
    }
}

static void hash(struct sp_queue *q, struct sp_queue_frame *f)
{
    if (f->key != 0) {
        f->next_key = q->by_key[bucket_of(f->key)];
        q->by_key[bucket_of(f->key)] = f;
    }
    if (f->ref != 0) {
        f->next_ref = q->by_ref[bucket_of(f->ref)];
        q->by_ref[bucket_of(f->ref)] = f;
    }
}

struct sp_queue_frame *sp_queue_any(const struct sp_queue *q)
{
    for (size_t i = 0; i < SP_QUEUE_CLASSES; i++) {
        if (!sp_list_is_empty(&q->again[i]))
            return frame_of(sp_list_first(&q->again[i]));
        if (!sp_list_is_empty(&q->fresh[i]))
            return frame_of(sp_list_first(&q->fresh[i]));
    }
    return frame_of(sp_list_first(&q->sent));
}

void sp_queue_wipe(struct sp_queue *q)
{
    for (struct sp_queue_frame *f = sp_queue_any(q); f != NULL; f = sp_queue_any(q))
        sp_queue_release(q, f);
    uint64_t ref;
    enum sp_queue_state outcome;
    while (sp_queue_poll(q, &ref, &outcome) == 0)
        continue;
    SP_ASSERT(q->frames == 0);
    SP_ASSERT(q->waiting == 0);
}

/* A slot for len bytes; a small frame may take a large slot when the small ones are used up. */
static struct sp_queue_frame *take_slot(struct sp_queue *q, size_t len)
{
    struct sp_queue_frame *f = len <= SP_QUEUE_SMALL ? sp_pool_take(q->small) : NULL;
    if (f != NULL)
        return f;
    f = sp_pool_take(q->large);
    if (f != NULL)
        f->is_large = 1;
    return f;
}

struct sp_queue_frame *sp_queue_put(struct sp_queue *q, const struct sp_queue_entry *e)
{
    SP_ASSERT(e->bytes.n > 0);
    SP_ASSERT(e->bytes.n <= SP_QUEUE_LARGE);
    SP_ASSERT(e->class < SP_QUEUE_CLASSES);
    struct sp_queue_frame *f = take_slot(q, e->bytes.n);
    if (f == NULL)
        return NULL;
    sp_list_init(&f->copies);
    f->key = e->key;
    f->ref = e->ref;
    f->class = e->class;
    f->state = SP_QUEUE_WAITING;
    f->len = (uint16_t)e->bytes.n;
    memcpy(f->bytes, e->bytes.p, e->bytes.n);
    hash(q, f);
    sp_list_append(&q->fresh[f->class], &f->node);
    q->frames++;
    q->waiting++;
    return f;
}

struct sp_queue_frame *sp_queue_find_key(const struct sp_queue *q, uint64_t key)
{
    struct sp_queue_frame *f = q->by_key[bucket_of(key)];
    while (f != NULL && f->key != key)
        f = f->next_key;
    return f;
}

struct sp_queue_frame *sp_queue_find_ref(const struct sp_queue *q, uint64_t ref)
{
    struct sp_queue_frame *f = q->by_ref[bucket_of(ref)];
    while (f != NULL && f->ref != ref)
        f = f->next_ref;
    return f;
}

struct sp_queue_frame *sp_queue_next(const struct sp_queue *q, size_t room)
{
    if (q->waiting == 0)
        return NULL;
    for (size_t i = 0; i < SP_QUEUE_CLASSES; i++) {
        struct sp_queue_frame *f = frame_of(sp_list_first(&q->again[i]));
        if (f != NULL && f->len <= room)
            return f;
        f = frame_of(sp_list_first(&q->fresh[i]));
        if (f != NULL && f->len <= room)
            return f;
    }
    return NULL;
}

void sp_queue_note_sent(struct sp_queue *q, struct sp_queue_frame *f, uint64_t pn, sp_time now)
{
    SP_ASSERT(f->state == SP_QUEUE_WAITING);
    sp_list_remove(&f->node);
    sp_list_append(&q->sent, &f->node);
    f->state = SP_QUEUE_SENT;
    f->last_pn = pn;
    f->sent_at = now;
    if (f->sends < UINT16_MAX)
        f->sends++;
    q->waiting--;
}

void sp_queue_again(struct sp_queue *q, struct sp_queue_frame *f)
{
    SP_ASSERT(f->state == SP_QUEUE_SENT);
    sp_list_remove(&f->node);
    sp_list_append(&q->again[f->class], &f->node);
    f->state = SP_QUEUE_WAITING;
    q->waiting++;
}

void sp_queue_take_place(struct sp_queue *q, struct sp_queue_frame *f, const struct sp_queue_frame *old)
{
    (void)q;
    SP_ASSERT(f->state == SP_QUEUE_WAITING);
    SP_ASSERT(old->state == SP_QUEUE_WAITING);
    sp_list_remove(&f->node);
    sp_list_insert(old->node.next, &f->node);
}

static void leave(struct sp_queue *q, struct sp_queue_frame *f)
{
    SP_ASSERT(f->state == SP_QUEUE_WAITING || f->state == SP_QUEUE_SENT);
    unhash(q, f);
    if (f->state == SP_QUEUE_WAITING)
        q->waiting--;
}

void sp_queue_finish(struct sp_queue *q, struct sp_queue_frame *f, enum sp_queue_state outcome)
{
    SP_ASSERT(outcome == SP_QUEUE_ACKED || outcome == SP_QUEUE_DROPPED);
    SP_ASSERT(sp_list_is_empty(&f->copies));
    leave(q, f);
    if (f->ref == 0) {
        give(q, f);
        return;
    }
    sp_list_remove(&f->node);
    sp_list_append(outcome == SP_QUEUE_ACKED ? &q->acked : &q->dropped, &f->node);
    q->news++;
    f->state = (uint8_t)outcome;
}

void sp_queue_release(struct sp_queue *q, struct sp_queue_frame *f)
{
    leave(q, f);
    give(q, f);
}

int sp_queue_poll(struct sp_queue *q, uint64_t *ref, enum sp_queue_state *outcome)
{
    struct sp_node *n = sp_list_first(&q->acked);
    if (n == NULL)
        n = sp_list_first(&q->dropped);
    if (n == NULL)
        return SP_EAGAIN;
    struct sp_queue_frame *f = frame_of(n);
    *ref = f->ref;
    *outcome = (enum sp_queue_state)f->state;
    q->news--;
    give(q, f);
    return 0;
}
