/* A crypto table that looks through: it passes every call on to another table, and shows the frames of each
 * DATA packet that is sealed or opened.  So a test reads what travels without any plaintext mode in the
 * product. */
#ifndef SP_GLASS_H
#define SP_GLASS_H

#include <sampan/crypto.h>

/* The frames of one packet, sealed here or opened here; dir is an enum sp_dir; borrowed for the call. */
typedef void sp_glass_eye(void *self, int dir, bool is_opened, struct sp_view frames);

struct sp_glass {
    const struct sp_crypto *inner;
    struct sp_crypto table; /* what the endpoints get */
    unsigned x25519_n;      /* calls */
    sp_glass_eye *eye;
    void *eye_self;
};

/* `inner` is borrowed; eye may be NULL. */
void sp_glass_init(struct sp_glass *g, const struct sp_crypto *inner, sp_glass_eye *eye, void *eye_self);

#endif
