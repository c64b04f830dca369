/* Bytes of the LMDB engine: keys and values of each tree (docs/store-format.md, section 3).  Pure functions.
 *
 * Keys are big-endian and of fixed width, so that the trees sort by mailbox and number.  A value begins with
 * crc:4 ver:1 kind:1 flags:2; the CRC-32C covers the key and the rest of the value, so a value that strayed
 * to another key is found too. */
#ifndef SP_LMDB_KEY_H
#define SP_LMDB_KEY_H

#include "store.h"

#define SP_LMDB_SCHEMA    1
#define SP_LMDB_MKEY_LEN  16
#define SP_LMDB_VALUE_MAX 1900 /* stays below LMDB's overflow pages (2,038 bytes of key, value, node) */
#define SP_LMDB_HEAD_LEN  8
#define SP_LMDB_PART_MAX  (SP_LMDB_VALUE_MAX - SP_LMDB_HEAD_LEN)

/* Also the `kind` byte of values, plus 1. */
enum sp_lmdb_tree {
    SP_LMDB_META,  /* name -> number */
    SP_LMDB_USR,   /* mkey -> mailbox */
    SP_LMDB_DEV,   /* mkey device:4 -> sending device */
    SP_LMDB_DEDUP, /* mkey device:4 msgid:8 -> dedup row */
    SP_LMDB_BOX,   /* mkey seq:4 part:1 -> message (part 0) and its body (parts 1..) */
    SP_LMDB_TOMB,  /* mkey hi:4 -> lo, why */
    SP_LMDB_SHARE, /* mkey of the mailbox, mkey of the sender -> its open messages there */
    SP_LMDB_TREES
};

/* BLAKE2b-128 of kind and mailbox id. */
struct sp_lmdb_mkey {
    uint8_t b[SP_LMDB_MKEY_LEN];
};
struct sp_lmdb_mkey sp_lmdb_mkey(struct sp_view id);

struct sp_lmdb_key {
    uint8_t b[32];
    size_t n;
};
struct sp_lmdb_key sp_lmdb_key_meta(const char *name); /* at most 32 bytes of it */
struct sp_lmdb_key sp_lmdb_key_usr(const struct sp_lmdb_mkey *m);
struct sp_lmdb_key sp_lmdb_key_dev(const struct sp_lmdb_mkey *m, uint32_t device);
struct sp_lmdb_key sp_lmdb_key_dedup(const struct sp_lmdb_mkey *m, uint32_t device, uint64_t msgid);
struct sp_lmdb_key sp_lmdb_key_box(const struct sp_lmdb_mkey *m, uint32_t seq, uint8_t part);
struct sp_lmdb_key sp_lmdb_key_tomb(const struct sp_lmdb_mkey *m, uint32_t hi);
struct sp_lmdb_key sp_lmdb_key_share(const struct sp_lmdb_mkey *box, const struct sp_lmdb_mkey *sender);
/* The number of n bytes at `at`. */
uint64_t sp_lmdb_key_number(const struct sp_lmdb_key *k, size_t at, size_t n);

/* A value on its way to the disk. */
struct sp_lmdb_value {
    uint8_t b[SP_LMDB_VALUE_MAX];
    size_t n;
};

struct sp_lmdb_usr {
    struct sp_view id; /* 1..SP_STORE_ID_MAX; decoded: borrowed from the value */
    uint32_t head, confirmed, count, max_count;
    uint64_t resets, bytes, max_bytes;
    bool drop_oldest;
};
struct sp_lmdb_dev {
    uint64_t last, finished, floor;
};
struct sp_lmdb_dedup {
    uint8_t hash[8];
    struct sp_lmdb_mkey to;
    uint32_t seq;
    int64_t at_us;
    uint8_t state; /* READ, ENDED, or 0: derived from the cursor */
};
struct sp_lmdb_msg {
    struct sp_origin from; /* decoded: borrowed */
    int64_t at_us, expires_us;
    uint32_t body_n;
};
struct sp_lmdb_tomb {
    uint32_t lo;
    uint8_t why;
    int64_t at_us;
};
struct sp_lmdb_share {
    uint32_t count;
    uint64_t bytes;
};

/* Encoders cannot fail: their input is inside its limits.  The CRC is set by sp_lmdb_value_seal. */
void sp_lmdb_value_number(struct sp_lmdb_value *v, uint64_t number);
void sp_lmdb_value_usr(struct sp_lmdb_value *v, const struct sp_lmdb_usr *row);
void sp_lmdb_value_dev(struct sp_lmdb_value *v, const struct sp_lmdb_dev *row);
void sp_lmdb_value_dedup(struct sp_lmdb_value *v, const struct sp_lmdb_dedup *row);
void sp_lmdb_value_msg(struct sp_lmdb_value *v, const struct sp_lmdb_msg *row);
void sp_lmdb_value_part(struct sp_lmdb_value *v, struct sp_view part); /* 1..SP_LMDB_PART_MAX bytes */
void sp_lmdb_value_tomb(struct sp_lmdb_value *v, const struct sp_lmdb_tomb *row);
void sp_lmdb_value_share(struct sp_lmdb_value *v, const struct sp_lmdb_share *row);

/* Writes the head of v, which belongs under that key of that tree. */
void sp_lmdb_value_seal(struct sp_lmdb_value *v, enum sp_lmdb_tree tree, struct sp_view key);
/* The data of a value as it came from the disk.  0; SP_ECORRUPT: CRC, kind or length; SP_EVERSION. */
int sp_lmdb_value_open(enum sp_lmdb_tree tree, struct sp_view key, struct sp_view value,
                       struct sp_view *data);

/* Decoders of data.  0, or SP_ECORRUPT: not what the encoder writes. */
int sp_lmdb_data_number(struct sp_view data, uint64_t *number);
int sp_lmdb_data_usr(struct sp_view data, struct sp_lmdb_usr *row);
int sp_lmdb_data_dev(struct sp_view data, struct sp_lmdb_dev *row);
int sp_lmdb_data_dedup(struct sp_view data, struct sp_lmdb_dedup *row);
int sp_lmdb_data_msg(struct sp_view data, struct sp_lmdb_msg *row);
int sp_lmdb_data_tomb(struct sp_view data, struct sp_lmdb_tomb *row);
int sp_lmdb_data_share(struct sp_view data, struct sp_lmdb_share *row);

#endif
