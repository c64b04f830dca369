/* Which pages at the end of an LMDB file are free. */
#include "lmdb_tail.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX  16U
#define CHUNK_MAX  4096U
#define PAGE_HEAD  16U /* bytes before the node offsets */
#define FLAGS_AT   10U
#define LOWER_AT   12U
#define BRANCH     1U
#define LEAF       2U
#define NODE_HEAD  8U
#define NODE_BIG   1U /* the value is on overflow pages; its place holds their number */
#define NUMBER_LEN sizeof(uint64_t)

struct level {
    uint64_t page;
    unsigned next; /* child to visit */
};

struct walk {
    const struct sp_lmdb_tail *t;
    uint64_t first; /* missing page */
    uint64_t found; /* missing pages that are free */
    uint64_t visits;
    uint8_t *page;
    struct level level[DEPTH_MAX];
    unsigned depth;
};

struct node {
    uint64_t child; /* of a branch */
    size_t at, n;   /* value of a leaf, in the page */
    bool big;
};

static unsigned u16_at(const uint8_t *p, size_t at)
{
    uint16_t v;
    memcpy(&v, p + at, sizeof(v));
    return v;
}

static uint64_t u64_at(const uint8_t *p, size_t at)
{
    uint64_t v;
    memcpy(&v, p + at, sizeof(v));
    return v;
}

static bool read_at(const struct sp_lmdb_tail *t, uint64_t at, void *dst, size_t n)
{
    return at <= t->size && n <= t->size - at && pread(t->fd, dst, n, (off_t)at) == (ssize_t)n;
}

/* Node number i of the page in memory. */
static bool node_of(const struct walk *w, unsigned i, struct node *out)
{
    size_t at = u16_at(w->page, PAGE_HEAD + 2 * (size_t)i);
    size_t page_size = w->t->page_size;
    if (at < PAGE_HEAD || at > page_size - NODE_HEAD)
        return false;
    uint64_t low = u16_at(w->page, at) | (uint64_t)u16_at(w->page, at + 2) << 16;
    unsigned flags = u16_at(w->page, at + 4);
    *out = (struct node){.child = low | (uint64_t)flags << 32, .n = (size_t)low, .big = flags & NODE_BIG};
    out->at = at + NODE_HEAD + u16_at(w->page, at + 6);
    return true;
}

static void count(struct walk *w, const uint8_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t page = u64_at(numbers, i * NUMBER_LEN);
        w->found += page >= w->first && page <= w->t->last_page;
    }
}

/* A row of the tree: how many, and so many page numbers. */
static bool count_row(struct walk *w, const struct node *node)
{
    uint8_t chunk[CHUNK_MAX];
    size_t size = w->t->page_size;
    size_t in_page = node->big ? NUMBER_LEN : node->n;
    if (node->n < NUMBER_LEN || node->at > size || in_page > size - node->at)
        return false;
    if (!node->big) {
        uint64_t n = u64_at(w->page, node->at);
        if (n > node->n / NUMBER_LEN - 1)
            return false;
        count(w, w->page + node->at + NUMBER_LEN, (size_t)n);
        return true;
    }
    uint64_t number = u64_at(w->page, node->at);
    uint64_t at = number * size + PAGE_HEAD;
    uint64_t left;
    if (number > w->t->last_page || !read_at(w->t, at, &left, NUMBER_LEN) || left > node->n / NUMBER_LEN - 1)
        return false;
    for (at += NUMBER_LEN; left > 0;) {
        size_t n = left < CHUNK_MAX / NUMBER_LEN ? (size_t)left : CHUNK_MAX / NUMBER_LEN;
        if (!read_at(w->t, at, chunk, n * NUMBER_LEN))
            return false;
        count(w, chunk, n);
        at += n * NUMBER_LEN;
        left -= n;
    }
    return true;
}

static bool count_leaf(struct walk *w, unsigned nodes)
{
    struct node node;
    for (unsigned i = 0; i < nodes; i++) {
        if (!node_of(w, i, &node) || !count_row(w, &node))
            return false;
    }
    w->depth--;
    return true;
}

/* Visits the page on top: a leaf is counted and left, a branch gives its next child or is left. */
static bool visit(struct walk *w)
{
    struct level *top = &w->level[w->depth - 1];
    struct node node;
    if (w->visits++ > 2 * w->t->last_page ||
        !read_at(w->t, top->page * w->t->page_size, w->page, w->t->page_size))
        return false;
    unsigned flags = u16_at(w->page, FLAGS_AT);
    unsigned lower = u16_at(w->page, LOWER_AT);
    if (lower < PAGE_HEAD || lower > w->t->page_size)
        return false;
    unsigned nodes = (lower - PAGE_HEAD) / 2;
    if (flags & LEAF)
        return count_leaf(w, nodes);
    if (!(flags & BRANCH))
        return false;
    if (top->next == nodes) {
        w->depth--;
        return true;
    }
    if (w->depth == DEPTH_MAX || !node_of(w, top->next++, &node) || node.child > w->t->last_page)
        return false;
    w->level[w->depth++] = (struct level){.page = node.child};
    return true;
}

bool sp_lmdb_tail_is_free(const struct sp_lmdb_tail *t)
{
    struct walk w = {.t = t, .first = t->size / t->page_size, .depth = 1};
    if (w.first > t->last_page)
        return true;
    if (t->free_root > t->last_page)
        return false;
    w.level[0].page = t->free_root;
    w.page = malloc(t->page_size);
    bool good = w.page != NULL;
    while (good && w.depth > 0)
        good = visit(&w);
    free(w.page);
    return good && w.found == t->last_page - w.first + 1;
}
