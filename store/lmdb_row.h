/* Rows of the LMDB engine in a transaction: CRC at every read and write, write-back caches for the three rows
 * that batches touch again and again.  It knows trees and rows, not requests.
 *
 * All functions return 0, SP_EAGAIN (no such row), SP_ECORRUPT (counted), or SP_EIO with t->fatal set. */
#ifndef SP_LMDB_ROW_H
#define SP_LMDB_ROW_H

#include "lmdb_engine.h"

/* Begins, commits or aborts.  begin and commit return LMDB's own error; a commit that changed nothing aborts.
 */
int sp_lmdb_row_begin(struct sp_lmdb_txn *t, struct sp_lmdb *db);
int sp_lmdb_row_commit(struct sp_lmdb_txn *t);
void sp_lmdb_row_abort(struct sp_lmdb_txn *t);

/* data is borrowed from the map until the next write or the end of the transaction. */
int sp_lmdb_row_get(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                    struct sp_view *data);
/* Seals v and writes it. */
int sp_lmdb_row_put(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                    struct sp_lmdb_value *v);
/* An absent row is no error. */
int sp_lmdb_row_del(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key);
/* The first row with a key of at least *key; *key becomes its key, *value its sealed bytes, unchecked. */
int sp_lmdb_row_seek(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, struct sp_lmdb_key *key,
                     struct sp_view *value);
/* Checks the sealed bytes of a seek. */
int sp_lmdb_row_check(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                      struct sp_view value, struct sp_view *data);

/* The mailbox m through its cache.  *row is valid until another mailbox is loaded; change it, then call
 * sp_lmdb_row_usr_dirty.  SP_EAGAIN: no such mailbox. */
int sp_lmdb_row_usr(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr **row);
/* The same; creates it with that id, or repairs a damaged row (docs/store-format.md, section 6). SP_ECORRUPT:
 * two ids with one mkey. */
int sp_lmdb_row_usr_get(struct sp_lmdb_txn *t, struct sp_view id, struct sp_lmdb_mkey *m,
                        struct sp_lmdb_usr **row);
void sp_lmdb_row_usr_dirty(struct sp_lmdb_txn *t);

/* The sending device, all zero when new. */
int sp_lmdb_row_dev(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t device,
                    struct sp_lmdb_dev **row);
void sp_lmdb_row_dev_dirty(struct sp_lmdb_txn *t);

/* A sender's open messages in a mailbox, all zero when none. */
int sp_lmdb_row_share(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *box,
                      const struct sp_lmdb_mkey *sender, struct sp_lmdb_share **row);
void sp_lmdb_row_share_dirty(struct sp_lmdb_txn *t);

int sp_lmdb_row_dedup(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t device,
                      struct sp_msgid id, struct sp_lmdb_dedup *row);

/* A number of the meta tree. */
int sp_lmdb_row_number(struct sp_lmdb_txn *t, const char *name, uint64_t *number);
int sp_lmdb_row_number_put(struct sp_lmdb_txn *t, const char *name, uint64_t number);

/* Counts a damaged record. */
void sp_lmdb_row_note_corrupt(struct sp_lmdb_txn *t);

#endif
