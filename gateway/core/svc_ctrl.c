/* Definite refusals; an error has no map (docs/protocol.md, section 4.5). */
#include "svc_ctrl.h"

#include "core.h"
#include "mp.h"

/* docs/protocol.md, section 4: ops 3 to 5 and 9 change groups. */
#define OP_GROUP_CREATE 3
#define OP_GROUP_REMOVE 5
#define OP_GROUP_DROP   9

#define RESET_REFUSED    1
#define RESET_NO_SERVICE 3

void sp_svc_ctrl_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ctrl *f,
                         sp_time now)
{
    bool changes_group = (f->op >= OP_GROUP_CREATE && f->op <= OP_GROUP_REMOVE) || f->op == OP_GROUP_DROP;
    bool is_map = sp_mp_scan(f->map, SP_MP_CTRL_OBJECTS_MAX) == 0;
    bool is_forbidden = is_map && changes_group && (s->rights & SP_RIGHT_GROUPS) == 0;
    struct sp_frame a = {.kind = SP_KIND_CTRL_A};
    a.u.ctrl.code = is_forbidden ? SP_CODE_FORBIDDEN : SP_CODE_BAD;
    a.u.ctrl.id = f->id;
    g->stats.ctrl_refused++;
    (void)sp_session_send(g, s, &a, 0, now);
}

void sp_svc_ctrl_stream(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_stream *f,
                        sp_time now)
{
    struct sp_frame a = {.kind = SP_KIND_STREAM_RESET};
    a.u.stream.stream = f->stream;
    a.u.stream.code = (s->rights & SP_RIGHT_STREAMS) == 0 ? RESET_REFUSED : RESET_NO_SERVICE;
    g->stats.streams_refused++;
    (void)sp_session_send(g, s, &a, 0, now);
}
