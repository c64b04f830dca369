/* Two lists in order of time and a table. */
#include "watch.h"

#include "bug.h"
#include "core.h"
#include "svc_receipt.h"

void sp_watch_init(struct sp_gateway *g)
{
    struct sp_watch_lists *w = &g->watch;
    sp_table_init(&w->by_id, &g->arena, SP_CONF_WATCHES_MAX);
    sp_arena_pool(&g->arena, &w->pool, sizeof(struct sp_watch), SP_CONF_WATCHES_MAX);
    sp_list_init(&w->normal);
    sp_list_init(&w->four);
}

static struct sp_watch *find(const struct sp_gateway *g, const struct sp_device *origin, struct sp_msgid id)
{
    struct sp_hook *h = sp_gateway_first_of(g, &g->watch.by_id, origin, id);
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_watch *w = SP_TABLE_ITEM(h, struct sp_watch, hook);
        if (w->origin == origin && w->msgid.v == id.v)
            return w;
    }
    return NULL;
}

void sp_watch_add(struct sp_gateway *g, struct sp_device *origin, struct sp_msgid id,
                  struct sp_account *recipient, bool is_four, sp_time now)
{
    struct sp_watch_lists *lists = &g->watch;
    if (find(g, origin, id) != NULL)
        return;
    struct sp_watch *w = sp_pool_take(&lists->pool);
    if (w == NULL)
        return;
    w->origin = origin;
    w->msgid = id;
    w->recipient = recipient;
    w->at = now + (is_four ? SP_CONF_STORED_FOUR : SP_CONF_STORED_AFTER);
    origin->refs++;
    sp_list_append(is_four ? &lists->four : &lists->normal, &w->node);
    sp_list_append(&recipient->watches, &w->mine);
    sp_table_add(&lists->by_id, &w->hook, sp_gateway_id_hash(g, origin, id));
}

bool sp_watch_has(const struct sp_gateway *g, const struct sp_device *origin, struct sp_msgid id)
{
    return find(g, origin, id) != NULL;
}

/* Ends a watch and lets go of what it held. */
static void drop(struct sp_gateway *g, struct sp_watch *w)
{
    struct sp_device *origin = w->origin;
    struct sp_account *recipient = w->recipient;
    sp_list_remove(&w->node);
    sp_list_remove(&w->mine);
    sp_table_remove(&g->watch.by_id, &w->hook);
    sp_pool_give(&g->watch.pool, w);
    SP_ASSERT(origin->refs > 0);
    origin->refs--;
    sp_peers_release(&g->peers, origin);
    sp_peers_release_account(&g->peers, recipient);
}

void sp_watch_end(struct sp_gateway *g, struct sp_device *origin, struct sp_msgid id)
{
    struct sp_watch *w = find(g, origin, id);
    if (w != NULL)
        drop(g, w);
}

static void tell(struct sp_gateway *g, struct sp_watch *w, sp_time now)
{
    sp_svc_receipt_owe(g, w->origin, w->msgid, SP_STATE_STORED, now);
    drop(g, w);
}

void sp_watch_absent(struct sp_gateway *g, struct sp_account *recipient, sp_time now)
{
    for (;;) {
        struct sp_node *node = sp_list_first(&recipient->watches);
        if (node == NULL)
            return;
        bool is_last = node->next == &recipient->watches.head;
        tell(g, SP_LIST_ITEM(node, struct sp_watch, mine), now);
        if (is_last)
            return; /* the account may be gone */
    }
}

static void step_list(struct sp_gateway *g, struct sp_list *list, sp_time now)
{
    struct sp_node *node;
    while ((node = sp_list_first(list)) != NULL) {
        struct sp_watch *w = SP_LIST_ITEM(node, struct sp_watch, node);
        if (w->at > now)
            return;
        tell(g, w, now);
    }
}

void sp_watch_step(struct sp_gateway *g, sp_time now)
{
    step_list(g, &g->watch.normal, now);
    step_list(g, &g->watch.four, now);
}

static sp_time first_at(const struct sp_list *list)
{
    struct sp_node *node = sp_list_first(list);
    return node == NULL ? SP_NEVER : SP_LIST_ITEM(node, const struct sp_watch, node)->at;
}

sp_time sp_watch_deadline(const struct sp_gateway *g)
{
    sp_time normal = first_at(&g->watch.normal), four = first_at(&g->watch.four);
    return normal < four ? normal : four;
}
