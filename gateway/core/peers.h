/* Who is who: connection id -> session, (user, device) -> device, user -> account with its devices.  Records
 * exist while something refers to them; they hold no promise and may be forgotten, since the store has
 * everything durable. */
#ifndef SP_PEERS_H
#define SP_PEERS_H

#include "arena.h"
#include "batch.h"
#include "conf.h"
#include "list.h"
#include "pool.h"
#include "table.h"

struct sp_session;

/* A user, as sender and as mailbox. */
struct sp_account {
    struct sp_hook hook;
    struct sp_list devices; /* sp_device.node */
    struct sp_list watches; /* sp_watch.mine: messages to this user that are not confirmed */
    struct sp_epoch epoch;  /* numbers below are of this epoch; 0: none known */
    uint32_t confirmed, svr_seq;
    uint8_t id[SP_USER_MAX];
    uint8_t id_len;
};

/* One install of a user. */
struct sp_device {
    struct sp_hook hook;
    struct sp_node node;
    struct sp_account *account;
    uint32_t number;
    struct sp_session *session;                        /* the confirmed one; NULL: absent */
    struct sp_session *half[SP_CONF_HALF_OPEN_DEVICE]; /* oldest first */
    struct sp_list holds; /* sp_send.node of messages waiting for the one in AFTER */
    unsigned sends_n, holds_n;
    size_t holds_bytes;
    struct sp_list owed, told; /* sp_owed.mine: receipts to send; sent, not yet acknowledged */
    unsigned owed_n;           /* in both lists */
    struct sp_ask finish;      /* DONE on its way to the store */
    struct sp_msgid finish_next;
    unsigned refs; /* watches of its messages */
};

struct sp_peers {
    const struct sp_crypto *crypto;
    uint8_t key[16];
    struct sp_table cids, devices, accounts;
    struct sp_pool devices_pool, accounts_pool;
};

/* Takes memory for so many sessions and twice as many users and devices.  The arena tells whether it failed.
 */
void sp_peers_init(struct sp_peers *p, struct sp_arena *a, const struct sp_crypto *c, const uint8_t key[16],
                   size_t sessions_max);

struct sp_session *sp_peers_find_cid(const struct sp_peers *p, const uint8_t cid[8]);
void sp_peers_add_cid(struct sp_peers *p, struct sp_session *s);
void sp_peers_remove_cid(struct sp_peers *p, struct sp_session *s);

/* NULL: no such record. */
struct sp_account *sp_peers_find_account(const struct sp_peers *p, struct sp_view user);
struct sp_device *sp_peers_find_device(const struct sp_peers *p, struct sp_view user, uint32_t device);
/* The record, made if it is not there.  NULL: no room. */
struct sp_device *sp_peers_get_device(struct sp_peers *p, struct sp_view user, uint32_t device);
/* Forgets the device, and its user, if nothing refers to it any more. */
void sp_peers_release(struct sp_peers *p, struct sp_device *d);
/* Forgets a user without devices and watches. */
void sp_peers_release_account(struct sp_peers *p, struct sp_account *a);
/* Takes over the numbers of a mailbox from an answer of the store. */
void sp_peers_note_numbers(struct sp_account *a, const struct sp_store_done *done);
struct sp_view sp_peers_user(const struct sp_account *a);
/* Whether the user has a bound session that is heard of. */
bool sp_peers_is_present(const struct sp_account *a);

#endif
