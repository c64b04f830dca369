/* sampan status: asks the gateway how far messages of this device got. */
#include <stdio.h>

#include "args.h"
#include "cmd.h"
#include "runner.h"
#include "sys.h"

#define ASKED_MAX 32 /* what one STATUS:R carries */
#define WAIT      (30 * SP_SECOND)

struct asking {
    struct sp_runner runner;
    struct sp_msgid ids[ASKED_MAX];
    bool is_known[ASKED_MAX];
    size_t n, answered;
    bool has_unknown;
};

static void on_status(struct asking *a, const struct sp_client_event *ev)
{
    char text[17];
    for (size_t i = 0; i < a->n; i++) {
        if (a->ids[i].v != ev->msgid.v || a->is_known[i])
            continue;
        a->is_known[i] = true;
        a->answered++;
        a->has_unknown |= ev->state == SP_STATE_UNKNOWN;
        sp_runner_msgid_print(ev->msgid, text);
        (void)printf("%s\t%s\t%s\n", text, sp_runner_state_name(ev->state),
                     ev->state == SP_STATE_UNKNOWN ? "not known to the gateway" : "-");
    }
}

/* Asks for all and waits for the answers.  0, or -1 with a trouble. */
static int ask(struct asking *a, struct sp_trouble *t)
{
    for (size_t i = 0; i < a->n; i++) {
        int rc = sp_client_status(a->runner.client, a->ids[i], sp_sys_now());
        if (rc != 0)
            return sp_trouble_set(t, SP_EXIT_FAILED, "status: %s", sp_err_text(rc));
    }
    sp_time until = sp_sys_now() + WAIT;
    while (a->answered < a->n) {
        bool unused;
        struct sp_client_event ev;
        if (sp_sys_now() >= until)
            return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "no answer from the gateway");
        if (sp_runner_is_told_to_end())
            return sp_trouble_set(t, SP_EXIT_UNKNOWN, "ended before the answer came");
        if (sp_runner_turn(&a->runner, -1, until, &unused, t) != 0)
            return -1;
        while (sp_client_poll(a->runner.client, &ev, sp_sys_now()) == 0) {
            if (ev.kind == SP_CLIENT_STATUS)
                on_status(a, &ev);
            else if (sp_runner_verdict(&ev, t) != 0)
                return -1;
        }
    }
    return 0;
}

static int read_ids(struct asking *a, char **words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!sp_runner_msgid_parse(words[i], &a->ids[a->n])) {
            (void)fprintf(stderr, "sampan status: %s is no msgid (16 hexadecimal digits)\n", words[i]);
            return -1;
        }
        bool is_new = true;
        for (size_t k = 0; k < a->n; k++)
            is_new &= a->ids[k].v != a->ids[a->n].v;
        a->n += is_new ? 1 : 0;
    }
    return 0;
}

int sp_cmd_status(int argc, char **argv)
{
    struct sp_runner_config cfg = {.receives = false};
    const struct sp_args_opt opts[] = {
        {.name = "--token",
         .value = "FILE",
         .help = "token file of the sender",
         .text = &cfg.token_path,
         .required = true},
        {.name = "--state",
         .value = "DIR",
         .help = "state folder of the sender",
         .text = &cfg.state_path,
         .required = true},
    };
    const struct sp_args args = {
        .program = "sampan status",
        .version = SAMPAN_VERSION,
        .about = "Asks the gateway how far messages got.  Prints per message, separated by tabs: msgid, "
                 "state, reason.  "
                 "Exit 1 if one is not known.",
        .rest = "MSGID...",
        .rest_min = 1,
        .rest_max = ASKED_MAX,
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    static struct asking a;
    size_t n = 0;
    int code = sp_args_parse(&args, argc, argv, &n);
    if (code >= 0)
        return code;
    if (read_ids(&a, argv + 1, n) != 0)
        return SP_EXIT_USAGE;
    struct sp_trouble t;
    cfg.outbox_max = 65536;
    if (sp_runner_open(&a.runner, &cfg, &t) != 0)
        return sp_trouble_print(&t, "sampan status");
    sp_runner_signals();
    code = ask(&a, &t) != 0 ? sp_trouble_print(&t, "sampan status")
           : a.has_unknown  ? SP_EXIT_FAILED
                            : SP_EXIT_OK;
    sp_runner_close(&a.runner);
    return code;
}
