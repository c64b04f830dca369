/* The four moments, as events. */
#include "witness.h"

#include "core.h"

static void note(const struct sp_gateway *g, const struct sp_witness_event *e)
{
    g->cfg.witness->note(g->cfg.witness->self, e);
}

void sp_witness_stored(const struct sp_gateway *g, const struct sp_store_req *req,
                       const struct sp_store_done *done, uint8_t state)
{
    if (g->cfg.witness == NULL)
        return;
    note(g, &(struct sp_witness_event){.kind = SP_WITNESS_STORED,
                                       .from = req->from,
                                       .mailbox = req->to[0].id,
                                       .seq = done->seq,
                                       .epoch = done->epoch,
                                       .hash = req->hash,
                                       .commit = done->commit,
                                       .state = state,
                                       .is_repeat = done->repeat});
}

void sp_witness_refused(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id,
                        uint8_t code)
{
    if (g->cfg.witness == NULL)
        return;
    note(g, &(struct sp_witness_event){.kind = SP_WITNESS_REFUSED,
                                       .from = {{sp_peers_user(d->account)}, d->number, id},
                                       .code = code});
}

void sp_witness_confirmed(const struct sp_gateway *g, const struct sp_store_req *req,
                          const struct sp_store_done *done)
{
    if (g->cfg.witness == NULL || req->op != SP_STORE_CONFIRM || done->err != 0)
        return;
    struct sp_seq upto = req->seq.v < done->confirmed.v ? req->seq : done->confirmed;
    note(g, &(struct sp_witness_event){.kind = SP_WITNESS_CONFIRMED,
                                       .from = {req->to[0], req->device, {0}},
                                       .seq = upto,
                                       .hi = done->confirmed,
                                       .epoch = done->epoch,
                                       .commit = done->commit});
}

void sp_witness_entries(const struct sp_gateway *g, const struct sp_store_entry *e, size_t n)
{
    for (size_t i = 0; g->cfg.witness != NULL && i < n; i++) {
        if (e[i].state == SP_STATE_UNKNOWN || e[i].to.id.n == 0 || e[i].from.msgid.v == 0)
            continue; /* a STATUS of an id that is not known */
        note(g, &(struct sp_witness_event){.kind = e[i].state >= SP_STATE_ENDED ? SP_WITNESS_ENDED
                                                                                : SP_WITNESS_STORED,
                                           .from = e[i].from,
                                           .mailbox = e[i].to.id,
                                           .seq = e[i].seq,
                                           .state = e[i].state,
                                           .is_repeat = true});
    }
}
