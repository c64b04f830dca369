/* Records of sent packets in three lists.  Packets enter `sent` in the order of their numbers and times, and
 * leave it from the front, so that each list stays ordered by number without sorting. */
#include "inflight.h"

#include "bug.h"

#include <string.h>

static struct sp_inflight_packet *packet_of(struct sp_node *n)
{
    return n == NULL ? NULL : SP_LIST_ITEM(n, struct sp_inflight_packet, node);
}

void sp_inflight_init(struct sp_inflight *f, struct sp_pool *packets, struct sp_pool *copies)
{
    memset(f, 0, sizeof *f);
    f->packets = packets;
    f->copies = copies;
    sp_list_init(&f->sent);
    sp_list_init(&f->aged);
    sp_list_init(&f->lost);
}

void sp_inflight_wipe(struct sp_inflight *f)
{
    struct sp_list *lists[] = {&f->lost, &f->aged, &f->sent};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (!sp_list_is_empty(lists[i]))
            sp_inflight_release(f, packet_of(sp_list_first(lists[i])));
    }
    SP_ASSERT(f->records == 0);
    SP_ASSERT(f->bytes == 0);
}

/* Forgets the oldest record that is only kept in case its packet was late.  false: there is none. */
static bool reclaim(struct sp_inflight *f)
{
    struct sp_node *oldest = sp_list_first(sp_list_is_empty(&f->lost) ? &f->aged : &f->lost);
    if (oldest == NULL)
        return false;
    sp_inflight_release(f, packet_of(oldest));
    return true;
}

struct sp_inflight_packet *sp_inflight_open(struct sp_inflight *f, uint64_t pn)
{
    if (f->records >= SP_INFLIGHT_PACKETS_MAX && !reclaim(f))
        return NULL;
    struct sp_inflight_packet *p = sp_pool_take(f->packets);
    if (p == NULL && reclaim(f))
        p = sp_pool_take(f->packets);
    if (p == NULL)
        return NULL;
    sp_list_init(&p->copies);
    p->pn = pn;
    p->state = SP_INFLIGHT_OPEN;
    f->records++;
    return p;
}

bool sp_inflight_carry(struct sp_inflight *f, struct sp_inflight_packet *p, struct sp_queue_frame *frame)
{
    struct sp_inflight_copy *c = sp_pool_take(f->copies);
    while (c == NULL && reclaim(f))
        c = sp_pool_take(f->copies);
    if (c == NULL)
        return false;
    c->frame = frame;
    sp_list_append(&p->copies, &c->of_packet);
    sp_list_append(&frame->copies, &c->of_frame);
    return true;
}

void sp_inflight_note_sent(struct sp_inflight *f, struct sp_inflight_packet *p, size_t len, sp_time now)
{
    SP_ASSERT(p->state == SP_INFLIGHT_OPEN);
    p->state = SP_INFLIGHT_SENT;
    p->len = (uint16_t)len;
    p->sent_at = now;
    sp_list_append(&f->sent, &p->node);
    if (p->elicits) {
        f->bytes += p->len;
        f->counted++;
    }
}

static void drop_copy(struct sp_inflight *f, struct sp_inflight_copy *c)
{
    sp_list_remove(&c->of_frame);
    sp_list_remove(&c->of_packet);
    sp_pool_give(f->copies, c);
}

/* Takes p out of its list, if it is in one, and out of the counts. */
static void detach(struct sp_inflight *f, struct sp_inflight_packet *p)
{
    sp_list_remove(&p->node);
    if (p->state == SP_INFLIGHT_SENT && p->elicits) {
        f->bytes -= p->len;
        f->counted--;
    }
    if (p->state == SP_INFLIGHT_LOST)
        f->lost_n--;
}

void sp_inflight_release(struct sp_inflight *f, struct sp_inflight_packet *p)
{
    detach(f, p);
    while (!sp_list_is_empty(&p->copies))
        drop_copy(f, SP_LIST_ITEM(sp_list_first(&p->copies), struct sp_inflight_copy, of_packet));
    f->records--;
    sp_pool_give(f->packets, p);
}

void sp_inflight_forget(struct sp_inflight *f, struct sp_queue_frame *frame)
{
    while (!sp_list_is_empty(&frame->copies))
        drop_copy(f, SP_LIST_ITEM(sp_list_first(&frame->copies), struct sp_inflight_copy, of_frame));
}

/* Walks one list upwards, and the ranges with it. */
static void collect_from(struct sp_inflight *f, struct sp_list *list, const struct sp_ackset_range *ranges,
                         size_t n, struct sp_list *out)
{
    size_t i = n; /* ranges[i - 1] is the lowest that may still name the current packet */
    struct sp_node *node = list->head.next;
    while (node != &list->head && i > 0) {
        struct sp_inflight_packet *p = packet_of(node);
        if (p->pn > ranges[i - 1].hi) {
            i--;
            continue;
        }
        node = node->next;
        if (p->pn < ranges[i - 1].lo)
            continue;
        detach(f, p);
        p->state = SP_INFLIGHT_TAKEN;
        sp_list_append(out, &p->node);
    }
}

void sp_inflight_collect(struct sp_inflight *f, const struct sp_ackset_range *ranges, size_t n,
                         struct sp_list *out)
{
    if (!sp_list_is_empty(&f->lost))
        collect_from(f, &f->lost, ranges, n, out);
    if (!sp_list_is_empty(&f->aged))
        collect_from(f, &f->aged, ranges, n, out);
    collect_from(f, &f->sent, ranges, n, out);
}

struct sp_inflight_packet *sp_inflight_oldest(const struct sp_inflight *f)
{
    return packet_of(sp_list_first(sp_list_is_empty(&f->aged) ? &f->sent : &f->aged));
}

void sp_inflight_age(struct sp_inflight *f, struct sp_inflight_packet *p)
{
    SP_ASSERT(p->state == SP_INFLIGHT_SENT);
    if (!p->elicits) {
        sp_inflight_release(f, p);
        return;
    }
    detach(f, p);
    p->state = SP_INFLIGHT_AGED;
    sp_list_append(&f->aged, &p->node);
}

void sp_inflight_lose(struct sp_inflight *f, struct sp_inflight_packet *p)
{
    if (!p->elicits) {
        sp_inflight_release(f, p);
        return;
    }
    detach(f, p);
    p->state = SP_INFLIGHT_LOST;
    p->was_lost = true;
    sp_list_append(&f->lost, &p->node);
    f->lost_n++;
    if (f->lost_n > SP_INFLIGHT_LOST_MAX)
        (void)reclaim(f);
}
