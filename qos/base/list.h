/* Intrusive doubly linked list with a head.  The element embeds a struct sp_node; nothing is allocated. */
#ifndef SP_LIST_H
#define SP_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sp_node {
    struct sp_node *prev, *next; /* both NULL: in no list */
};
struct sp_list {
    struct sp_node head;
};

/* The element of `type` whose member `member` is the node. */
#define SP_LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* Walks front to back.  The current element may be removed when the caller has read `next` before. */
#define SP_LIST_FOREACH(node, list)                                                                          \
    for ((node) = (list)->head.next; (node) != &(list)->head; (node) = (node)->next)

static inline void sp_list_init(struct sp_list *l)
{
    l->head.prev = l->head.next = &l->head;
}
static inline bool sp_list_is_empty(const struct sp_list *l)
{
    return l->head.next == &l->head;
}
static inline bool sp_list_has(const struct sp_node *n)
{
    return n->next != NULL;
}
/* Inserts n directly before `at`; at = &list->head appends. */
static inline void sp_list_insert(struct sp_node *at, struct sp_node *n)
{
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}
static inline void sp_list_append(struct sp_list *l, struct sp_node *n)
{
    sp_list_insert(&l->head, n);
}
static inline void sp_list_prepend(struct sp_list *l, struct sp_node *n)
{
    sp_list_insert(l->head.next, n);
}
/* Takes n out of its list; without effect on a node in no list. */
static inline void sp_list_remove(struct sp_node *n)
{
    if (n->next == NULL)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
}
/* First node, or NULL. */
static inline struct sp_node *sp_list_first(const struct sp_list *l)
{
    return sp_list_is_empty(l) ? NULL : l->head.next;
}

#endif
