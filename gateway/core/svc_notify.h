/* News for recipients: msg:N while a session follows closely, else a TIP that there is more
 * (docs/protocol.md, section 5.3 rule 6; ruling 14). */
#ifndef SP_SVC_NOTIFY_H
#define SP_SVC_NOTIFY_H

#include "wire.h"

struct sp_gateway;
struct sp_account;
struct sp_session;

/* A message became durable: f is its msg:N (body borrowed). */
void sp_svc_notify_message(struct sp_gateway *g, struct sp_account *a, const struct sp_frame *f, sp_time now);
/* The mailbox has something up to seq, and which message that is nobody said: a TIP to each session that was
 * not sent so far. */
void sp_svc_notify_news(struct sp_gateway *g, struct sp_account *a, uint32_t seq, sp_time now);
/* Sends a TIP that found no room before. */
void sp_svc_notify_flush(struct sp_gateway *g, struct sp_session *s, sp_time now);

#endif
