/* One phone: the production client library, an app with a database of its own, and the accidents of a
 * process.  It writes down in the book all that its app does and is told; it decides nothing about troubles.
 */
#ifndef SIM_DEVICE_H
#define SIM_DEVICE_H

#include "book.h"
#include "losslocal.h"
#include "note.h"
#include "plan.h"
#include "record.h"
#include "rig.h"

#define SIM_NAME_MAX 12 /* of a user, with its 0 */

/* What all devices of a world share. */
struct sim_scene {
    struct sim_plan plan;
    struct sim_note note;
    struct sp_rig *rig;
    struct sim_book *book;
    struct sim_record *record;
    uint32_t gateway_file; /* of the record */
    bool is_calm;          /* troubles are over, and nobody writes any more */
    uint32_t devices_of_user;
};

struct sim_device {
    struct sim_scene *scene;
    uint32_t number, user, id; /* id: 1.. within the user */
    char name[16], user_name[SIM_NAME_MAX];
    struct sp_view me; /* user_name */
    int endpoint;
    struct sp_dice dice;
    struct sp_losslocal local;
    void *memory;
    size_t memory_len;
    struct sp_client *client; /* NULL: no process */
    sp_time started_at;
    int64_t clock_off_s;
    bool is_online;
    /* The wire in front of it. */
    bool is_offline;
    sp_time hole_until[2]; /* by enum sp_model_dir */
    /* The app. */
    bool is_slow;       /* it keeps nothing */
    bool is_new;        /* it was handed nothing yet: the mailbox may have begun long ago */
    uint32_t handed;    /* in this process, or the cursor that it began with */
    uint32_t persisted; /* in the app's database */
    uint32_t noted;     /* of that, in this process's history */
    uint32_t kept;      /* told to the library */
    sp_time send_due, keep_due;
    struct sim_message **open; /* of this device, not ended */
    size_t open_n, open_cap;
    /* A graceful end is under way; the process ends then. */
    sp_time stop_at;
    unsigned processes;
    uint64_t submitted;
};

/* The name of a user, ended by 0; a view of it. */
struct sp_view sim_device_user(uint32_t user, char name[SIM_NAME_MAX]);
struct sim_device *sim_device_create(struct sim_scene *scene, uint32_t number, uint32_t user, uint32_t id);
void sim_device_destroy(struct sim_device **d);
void sim_device_start(struct sim_device *d);
/* kill -9: what was not synced is lost. */
void sim_device_kill(struct sim_device *d);
/* The app says goodbye and ends a second later. */
void sim_device_stop(struct sim_device *d);
/* Whether the library has nothing left to do. */
bool sim_device_is_settled(const struct sim_device *d);
void sim_device_set_slow(struct sim_device *d, bool is_slow);

#endif
