/* What an engine implements.  store.c stands before every engine: it has checked the arguments and the port
 * limits, copied the requests into jobs, and turns finished jobs into completions.  So an engine sees only
 * valid jobs, and it owns them between submit and poll. */
#ifndef SP_ENGINE_H
#define SP_ENGINE_H

#include "job.h"

/* Engines embed these as their first member. */
struct sp_engine {
    const struct sp_engine_ops *ops;
};
struct sp_engine_port {
    struct sp_engine *engine;
};

struct sp_engine_ops {
    const char *scheme; /* what stands before the first colon of a URL */
    /* rest: the URL behind that colon; cfg: complete, no zeros left.  Errors as sp_store_open. */
    int (*open)(struct sp_engine **out, const char *rest, const struct sp_store_config *cfg);
    /* 0, or SP_EIO.  The engine frees its ports in close. */
    int (*attach)(struct sp_engine *e, struct sp_engine_port **out);
    int (*wake_fd)(const struct sp_engine_port *p);
    /* Takes all jobs of the list (and leaves it empty); cannot fail.  A job with done.err set is judged
     * already: it comes back from poll unchanged. */
    void (*submit)(struct sp_engine_port *p, struct sp_job_list *jobs);
    /* Moves up to cap finished jobs to the end of out. */
    void (*poll)(struct sp_engine_port *p, struct sp_job_list *out, size_t cap, sp_time now);
    sp_time (*deadline)(const struct sp_engine_port *p);
    size_t (*step)(struct sp_engine *e);
    void (*stats)(struct sp_engine *e, struct sp_store_stats *out);
    /* Executes what was submitted; frees engine, ports and all jobs left. */
    void (*close)(struct sp_engine *e);
};

extern const struct sp_engine_ops sp_mem_engine, sp_lmdb_engine, sp_fault_engine;

/* Opens the engine of a whole URL; used by store.c and by the fault engine for the one behind it. */
int sp_engine_open(struct sp_engine **out, const char *url, const struct sp_store_config *cfg);
/* Writes one sentence into the config's `reason`. */
void sp_engine_reason(const struct sp_store_config *cfg, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
