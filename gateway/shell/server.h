/* A whole sampand: keys, store, core, socket and admin socket, opened in that order from a checked
 * configuration, run, and closed in reverse.  The place where signals are answered. */
#ifndef SP_SERVER_H
#define SP_SERVER_H

#include <sampan/crypto.h>

#include "admin.h"
#include "chronicle.h"
#include "config.h"
#include "log.h"
#include "loop.h"

/* Reads the configuration anew, from the same places as at the start.  False: there are problems. */
typedef bool (*sp_server_reread)(void *self, struct sp_config *out, struct sp_config_problems *p);

struct sp_server {
    struct sp_config config;
    sp_server_reread reread;
    void *reread_self;

    struct sp_log log;
    struct sp_chronicle chronicle;
    struct ev_loop *ev;
    struct sp_store *store;
    struct sp_store_port *port;
    struct sp_gateway *gateway;
    struct sp_udp *udp;
    struct sp_admin *admin; /* NULL: another gateway has the default place */
    struct sp_loop loop;
    ev_signal stop_term, stop_int, reload, summary;
    sp_time started;
    uint8_t public[SP_KEY_LEN]; /* the gateway's, to notice a folder with other keys at a reload */
    unsigned watch_us;          /* the service manager's watchdog; 0: none */
    int code;                   /* exit code so far */
};

/* Where a listen option leads, and whether these keys may serve there: a public address wants a key folder
 * that somebody chose.  SP_EXIT_CONFIG. */
int sp_server_resolve(const struct sp_config *c, struct sp_addr *out, struct sp_trouble *t);

/* Opens all parts; s->config, reread and reread_self are set, the rest is 0.  On error everything is closed
 * again and t->code is the exit code. */
int sp_server_open(struct sp_server *s, struct sp_trouble *t);
/* Runs until a signal ends it, or a failed store.  Returns the exit code. */
int sp_server_run(struct sp_server *s);
/* Closes all parts; what was given to the store is committed first. */
void sp_server_close(struct sp_server *s);

#endif
