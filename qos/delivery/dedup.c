/* A short list: refusals are rare, and SP_DEDUP_MAX of them end the session. */
#include "dedup.h"

void sp_dedup_init(struct sp_dedup *d, struct sp_pool *pool)
{
    sp_list_init(&d->rows);
    d->pool = pool;
    d->n = 0;
}

void sp_dedup_wipe(struct sp_dedup *d)
{
    struct sp_node *node;
    while ((node = sp_list_first(&d->rows)) != NULL) {
        sp_list_remove(node);
        sp_pool_give(d->pool, SP_LIST_ITEM(node, struct sp_dedup_row, node));
    }
    d->n = 0;
}

static const struct sp_dedup_row *row_of(const struct sp_dedup *d, struct sp_msgid id)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &d->rows) {
        const struct sp_dedup_row *row = SP_LIST_ITEM(node, const struct sp_dedup_row, node);
        if (row->msgid.v == id.v)
            return row;
    }
    return NULL;
}

int sp_dedup_add(struct sp_dedup *d, struct sp_msgid id, uint8_t code)
{
    if (row_of(d, id) != NULL)
        return 0;
    if (d->n == SP_DEDUP_MAX)
        return SP_EFULL;
    struct sp_dedup_row *row = sp_pool_take(d->pool);
    if (row == NULL)
        return SP_EFULL;
    row->msgid = id;
    row->code = code;
    sp_list_append(&d->rows, &row->node);
    d->n++;
    return 0;
}

int sp_dedup_find(const struct sp_dedup *d, struct sp_msgid id, uint8_t *code)
{
    const struct sp_dedup_row *row = row_of(d, id);
    if (row == NULL)
        return SP_EAGAIN;
    *code = row->code;
    return 0;
}
