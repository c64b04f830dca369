/* Claims: a chained hash table of (mailbox, device), all devices of a mailbox in one chain. */
#include "claim.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    struct sp_claim claim;
    uint32_t device;
    size_t id_n;
    uint8_t id[];
};

struct sp_claim_table {
    pthread_mutex_t lock;
    unsigned char key[crypto_shorthash_KEYBYTES]; /* users choose their ids: chains must not be guessable */
    uint64_t next_fence;
    atomic_size_t n; /* written under the lock */
    size_t chains_n; /* a power of two */
    struct node **chains;
};

#define CHAINS_MIN 64U

int sp_claim_open(struct sp_claim_table **out, uint32_t boot)
{
    if (sodium_init() < 0)
        return SP_EIO;
    struct sp_claim_table *t = calloc(1, sizeof(*t));
    if (!t)
        return SP_EIO;
    t->chains = calloc(CHAINS_MIN, sizeof(struct node *));
    if (!t->chains) {
        free(t);
        return SP_EIO;
    }
    t->chains_n = CHAINS_MIN;
    t->next_fence = ((uint64_t)boot << 32) + 1;
    crypto_shorthash_keygen(t->key);
    (void)pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

void sp_claim_close(struct sp_claim_table **t)
{
    if (!*t)
        return;
    for (size_t i = 0; i < (*t)->chains_n; i++) {
        while ((*t)->chains[i]) {
            struct node *n = (*t)->chains[i];
            (*t)->chains[i] = n->next;
            free(n);
        }
    }
    (void)pthread_mutex_destroy(&(*t)->lock);
    free((*t)->chains);
    free(*t);
    *t = NULL;
}

static struct node **chain_of(const struct sp_claim_table *t, struct sp_view box)
{
    uint64_t h = 0;
    unsigned char out[crypto_shorthash_BYTES];
    (void)crypto_shorthash(out, box.p, box.n, t->key);
    memcpy(&h, out, sizeof(h));
    return &t->chains[h & (t->chains_n - 1)];
}

static bool is_of(const struct node *n, struct sp_view box)
{
    return n->id_n == box.n && memcmp(n->id, box.p, box.n) == 0;
}

static struct node **find(const struct sp_claim_table *t, struct sp_view box, uint32_t device)
{
    struct node **at = chain_of(t, box);
    while (*at && !((*at)->device == device && is_of(*at, box)))
        at = &(*at)->next;
    return at;
}

/* Doubles the table when chains grow long.  No memory: longer chains, nothing worse. */
static void grow(struct sp_claim_table *t)
{
    if (t->n < t->chains_n)
        return;
    struct node **old = t->chains;
    size_t old_n = t->chains_n;
    struct node **fresh = calloc(old_n * 2, sizeof(struct node *));
    if (!fresh)
        return;
    t->chains = fresh;
    t->chains_n = old_n * 2;
    for (size_t i = 0; i < old_n; i++) {
        while (old[i]) {
            struct node *n = old[i];
            old[i] = n->next;
            struct node **at = chain_of(t, (struct sp_view){n->id, n->id_n});
            n->next = *at;
            *at = n;
        }
    }
    free(old);
}

static struct node *add(struct sp_claim_table *t, struct sp_view box, uint32_t device)
{
    struct node *n = malloc(sizeof(*n) + box.n);
    if (!n)
        return NULL;
    grow(t);
    struct node **at = chain_of(t, box);
    *n = (struct node){.next = *at, .device = device, .id_n = box.n};
    memcpy(n->id, box.p, box.n);
    *at = n;
    t->n++;
    return n;
}

int sp_claim_take(struct sp_claim_table *t, struct sp_view box, uint32_t device, struct sp_claim *claim,
                  struct sp_claim *former)
{
    (void)pthread_mutex_lock(&t->lock);
    struct node *n = *find(t, box, device);
    if (!n)
        n = add(t, box, device);
    if (n) {
        *former = n->claim;
        n->claim.fence = t->next_fence++;
        n->claim.holder = claim->holder;
        *claim = n->claim;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return n ? 0 : SP_EBUSY;
}

int sp_claim_drop(struct sp_claim_table *t, struct sp_view box, uint32_t device, uint64_t fence)
{
    (void)pthread_mutex_lock(&t->lock);
    struct node **at = find(t, box, device);
    struct node *n = *at;
    bool live = n && n->claim.fence == fence;
    if (live) {
        *at = n->next;
        t->n--;
        free(n);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return live ? 0 : SP_EFENCED;
}

struct sp_claim sp_claim_find(struct sp_claim_table *t, struct sp_view box, uint32_t device)
{
    (void)pthread_mutex_lock(&t->lock);
    const struct node *n = *find(t, box, device);
    struct sp_claim c = n ? n->claim : (struct sp_claim){0};
    (void)pthread_mutex_unlock(&t->lock);
    return c;
}

struct sp_claim sp_claim_newest(struct sp_claim_table *t, struct sp_view box)
{
    struct sp_claim c = {0};
    if (t->n == 0) /* each APPEND asks, and many stores never have a claim */
        return c;
    (void)pthread_mutex_lock(&t->lock);
    for (const struct node *n = *chain_of(t, box); n; n = n->next) {
        if (n->claim.fence > c.fence && is_of(n, box))
            c = n->claim;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return c;
}
