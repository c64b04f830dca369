/* Three tables over two pools. */
#include "peers.h"

#include "bug.h"
#include "session.h"

#include <string.h>

static uint64_t user_hash(const struct sp_peers *p, struct sp_view user)
{
    return sp_table_hash(p->crypto, p->key, user);
}

static uint64_t device_hash(const struct sp_peers *p, struct sp_view user, uint32_t device)
{
    uint8_t bytes[4 + SP_USER_MAX];
    SP_ASSERT(user.n <= SP_USER_MAX);
    memcpy(bytes, &device, sizeof device);
    memcpy(bytes + 4, user.p, user.n);
    return sp_table_hash(p->crypto, p->key, (struct sp_view){bytes, 4 + user.n});
}

void sp_peers_init(struct sp_peers *p, struct sp_arena *a, const struct sp_crypto *c, const uint8_t key[16],
                   size_t sessions_max)
{
    p->crypto = c;
    memcpy(p->key, key, sizeof p->key);
    sp_table_init(&p->cids, a, sessions_max);
    sp_table_init(&p->devices, a, 2 * sessions_max);
    sp_table_init(&p->accounts, a, 2 * sessions_max);
    sp_arena_pool(a, &p->devices_pool, sizeof(struct sp_device), 2 * sessions_max);
    sp_arena_pool(a, &p->accounts_pool, sizeof(struct sp_account), 2 * sessions_max);
}

/* We draw the connection ids (docs/protocol.md, section 2.4), nobody else chooses one: part of the random
 * bytes of an id is its hash. */
static uint64_t cid_hash(const uint8_t cid[8])
{
    uint32_t random;
    memcpy(&random, cid + 1, sizeof random);
    return random;
}

struct sp_session *sp_peers_find_cid(const struct sp_peers *p, const uint8_t cid[8])
{
    struct sp_hook *h = sp_table_first(&p->cids, cid_hash(cid));
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_session *s = SP_TABLE_ITEM(h, struct sp_session, hook);
        if (memcmp(s->cid, cid, sizeof s->cid) == 0)
            return s;
    }
    return NULL;
}

void sp_peers_add_cid(struct sp_peers *p, struct sp_session *s)
{
    sp_table_add(&p->cids, &s->hook, cid_hash(s->cid));
}

void sp_peers_remove_cid(struct sp_peers *p, struct sp_session *s)
{
    sp_table_remove(&p->cids, &s->hook);
}

static bool is_user(const struct sp_account *a, struct sp_view user)
{
    return a->id_len == user.n && memcmp(a->id, user.p, user.n) == 0;
}

struct sp_account *sp_peers_find_account(const struct sp_peers *p, struct sp_view user)
{
    struct sp_hook *h = sp_table_first(&p->accounts, user_hash(p, user));
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_account *a = SP_TABLE_ITEM(h, struct sp_account, hook);
        if (is_user(a, user))
            return a;
    }
    return NULL;
}

struct sp_device *sp_peers_find_device(const struct sp_peers *p, struct sp_view user, uint32_t device)
{
    struct sp_hook *h = sp_table_first(&p->devices, device_hash(p, user, device));
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_device *d = SP_TABLE_ITEM(h, struct sp_device, hook);
        if (d->number == device && is_user(d->account, user))
            return d;
    }
    return NULL;
}

static struct sp_account *get_account(struct sp_peers *p, struct sp_view user)
{
    struct sp_account *a = sp_peers_find_account(p, user);
    if (a != NULL)
        return a;
    a = sp_pool_take(&p->accounts_pool);
    if (a == NULL)
        return NULL;
    sp_list_init(&a->devices);
    sp_list_init(&a->watches);
    a->id_len = (uint8_t)user.n;
    memcpy(a->id, user.p, user.n);
    sp_table_add(&p->accounts, &a->hook, user_hash(p, user));
    return a;
}

void sp_peers_release_account(struct sp_peers *p, struct sp_account *a)
{
    if (!sp_list_is_empty(&a->devices) || !sp_list_is_empty(&a->watches))
        return;
    sp_table_remove(&p->accounts, &a->hook);
    sp_pool_give(&p->accounts_pool, a);
}

struct sp_device *sp_peers_get_device(struct sp_peers *p, struct sp_view user, uint32_t device)
{
    SP_ASSERT(user.n >= 1 && user.n <= SP_USER_MAX);
    struct sp_device *d = sp_peers_find_device(p, user, device);
    if (d != NULL)
        return d;
    struct sp_account *a = get_account(p, user);
    if (a == NULL)
        return NULL;
    d = sp_pool_take(&p->devices_pool);
    if (d == NULL) {
        sp_peers_release_account(p, a);
        return NULL;
    }
    d->account = a;
    d->number = device;
    sp_list_init(&d->holds);
    sp_list_init(&d->owed);
    sp_list_init(&d->told);
    sp_list_append(&a->devices, &d->node);
    sp_table_add(&p->devices, &d->hook, device_hash(p, user, device));
    return d;
}

static bool is_needed(const struct sp_device *d)
{
    return d->session != NULL || d->half[0] != NULL || d->sends_n > 0 || d->owed_n > 0 || d->refs > 0 ||
           d->finish.is_out;
}

void sp_peers_release(struct sp_peers *p, struct sp_device *d)
{
    if (is_needed(d))
        return;
    struct sp_account *a = d->account;
    sp_list_remove(&d->node);
    sp_table_remove(&p->devices, &d->hook);
    sp_pool_give(&p->devices_pool, d);
    sp_peers_release_account(p, a);
}

void sp_peers_note_numbers(struct sp_account *a, const struct sp_store_done *done)
{
    if (done->epoch.v == 0)
        return;
    if (a->epoch.v != done->epoch.v) {
        a->epoch = done->epoch;
        a->svr_seq = a->confirmed = 0;
    }
    if (done->svr_seq.v > a->svr_seq)
        a->svr_seq = done->svr_seq.v;
    if (done->confirmed.v > a->confirmed)
        a->confirmed = done->confirmed.v;
}

struct sp_view sp_peers_user(const struct sp_account *a)
{
    return (struct sp_view){a->id, a->id_len};
}

bool sp_peers_is_present(const struct sp_account *a)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &a->devices) {
        const struct sp_session *s = SP_LIST_ITEM(node, const struct sp_device, node)->session;
        if (s != NULL && s->is_bound && !s->is_dark)
            return true;
    }
    return false;
}
