/* What a client has promised its app and its gateway: who was told what, what left and when.  Its user tells
 * it every event and every frame up; it ends the run at the first promise that is broken. */
#ifndef SP_FUZZ_CLIENTBOOK_H
#define SP_FUZZ_CLIENTBOOK_H

#include "tinylocal.h"
#include "wire.h"

#include <sampan/client.h>

enum { CLIENTBOOK_IDS = 160 };

struct clientbook_id { /* a message of ours */
    struct sp_msgid msgid;
    uint64_t to, body; /* hashes */
    uint8_t told;      /* highest state told by this process */
    bool is_ended;     /* this process told its end, or has forgotten it */
    bool is_given_up;  /* FAILED or UNKNOWN was told, ever */
    bool was_seen;     /* its msg:R was on the wire */
    unsigned asked;    /* sp_client_status without answer */
};
struct clientbook {
    const struct tinylocal *local;
    struct clientbook_id ids[CLIENTBOOK_IDS];
    size_t ids_n;
    uint64_t epoch;       /* of local storage as last seen */
    uint32_t last_seq;    /* handed up, skipped or begun after */
    struct sp_msgid done; /* the highest that DONE named */
    /* What the client asked last, for answers. */
    uint16_t pull_id, ack_id, status_id;
    uint8_t status_n;
};

/* The process starts (again): it knows what local storage has. */
void clientbook_start(struct clientbook *b, const struct tinylocal *local);
void clientbook_submitted(struct clientbook *b, const struct sp_outgoing *m, struct sp_msgid id);
/* The app let go of it. */
void clientbook_forgot(struct clientbook *b, struct sp_msgid id);
void clientbook_asked(struct clientbook *b, struct sp_msgid id);
/* The client has acted: a first epoch comes without an event, and numbers begin where it says. */
void clientbook_look(struct clientbook *b);
void clientbook_event(struct clientbook *b, const struct sp_client_event *ev);
/* The frames of a datagram that the client sent. */
void clientbook_frames(struct clientbook *b, struct sp_view frames);

#endif
