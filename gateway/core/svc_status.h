/* STATUS:R: how far messages of the asking device got (docs/protocol.md, section 5.2; ruling 40).  The store
 * knows; an id on its way to the store is waited for, so that "not known" is never said too early. */
#ifndef SP_SVC_STATUS_H
#define SP_SVC_STATUS_H

#include "batch.h"
#include "wire.h"

struct sp_gateway;
struct sp_device;
struct sp_session;

struct sp_status {
    struct sp_ask ask;
    struct sp_node node; /* sp_session.statuses */
    struct sp_session *session;
    struct sp_frame_status_r question;
    sp_time until; /* waits for the fate of what is in flight no longer than this (section 5.3) */
};

void sp_svc_status_init(struct sp_gateway *g);
/* Takes a question; more than SP_CONF_STATUS_OPEN at once are left to the client's next try.  One whose id
 * waits already is the same, asked again. */
void sp_svc_status_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_status_r *f,
                           sp_time now);
/* A message of this device came to its fate: questions that waited for it may go on. */
void sp_svc_status_settled(struct sp_gateway *g, struct sp_device *d, sp_time now);
/* The session ends: questions that only wait are dropped; asked ones end with their answers. */
void sp_svc_status_forget(struct sp_gateway *g, struct sp_session *s);

#endif
