/* A small LMDB store in a folder of its own whose file can be put back to how it began and whose rows can be
 * damaged while it is closed.  Knows the bytes of rows (lmdb_key.h) and no request. */
#ifndef SP_FUZZ_RAWSTORE_H
#define SP_FUZZ_RAWSTORE_H

#include "lmdb_key.h"

#include <lmdb.h>

#define RAWSTORE_MAP (4U << 20)

struct rawstore {
    char dir[64], url[80];
    uint8_t *file; /* data.mdb as it was kept */
    size_t file_len;
};

/* Makes the folder, in memory if the system has such a place.  It is removed when the process ends. */
void rawstore_init(struct rawstore *r);
/* Keeps the file as it is; the store must be closed. */
void rawstore_keep(struct rawstore *r);
/* Puts back the file that was kept. */
void rawstore_restore(const struct rawstore *r);

/* A transaction on the closed store. */
struct rawstore_edit {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi[SP_LMDB_TREES];
};
void rawstore_begin(const struct rawstore *r, struct rawstore_edit *e);
/* The n-th row, counted round; false in an empty tree.  Both are copied. */
bool rawstore_row(struct rawstore_edit *e, enum sp_lmdb_tree tree, size_t n, struct sp_lmdb_key *key,
                  struct sp_lmdb_value *value);
/* value->n 0: removes it. */
void rawstore_put(struct rawstore_edit *e, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                  const struct sp_lmdb_value *value);
void rawstore_commit(struct rawstore_edit *e);

#endif
