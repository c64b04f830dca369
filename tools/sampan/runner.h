/* A client (sampan/client.h) on a UDP socket of this machine, with its state in a folder: what send, recv,
 * status and demo share.  One turn waits for socket, deadline, a second descriptor or a time, then moves
 * every datagram.  Not a loop: the verb decides what a turn means. */
#ifndef SP_RUNNER_H
#define SP_RUNNER_H

#include <sampan/client.h>

#include "diary.h"
#include "tokenfile.h"
#include "trouble.h"

struct sp_runner_config {
    const char *token_path, *state_path;
    bool receives;
    bool is_volatile;    /* state in memory, gone at the end: for benchmarks; state_path is not used */
    uint32_t outbox_max; /* 0: the client's default */
    const char *history; /* file for its history; NULL: none */
    uint8_t want;        /* enum sp_state up to which the sender waits, for the history; 0: the end */
    /* Called for each remembered message before the client starts; may be NULL. */
    void (*remembered)(void *self, const struct sp_outgoing *m);
    void *self;
};
struct sp_runner {
    struct sp_client *client;
    struct sp_local local;
    struct sp_tokenfile token;
    struct sp_diary diary;
    void *mem;
    int fd;
    bool is_volatile;
    uint64_t send_errors; /* datagrams that the system did not take */
};

/* Opens token, state and socket and starts the client.  On error everything is closed again: SP_EXIT_CONFIG,
 * SP_EXIT_REFUSED, SP_EXIT_UNREACHABLE (token file), SP_EXIT_UNKNOWN (another process uses the state),
 * SP_EXIT_DAMAGED, SP_EXIT_IO. */
int sp_runner_open(struct sp_runner *r, const struct sp_runner_config *cfg, struct sp_trouble *t);
/* Sends what is due, waits until a datagram or a byte on extra_fd (-1: none) is there, the client's deadline
 * or `until` is past, or a signal came; then takes every datagram and sends what is due.  *extra: extra_fd is
 * readable or ended. SP_EXIT_IO. */
int sp_runner_turn(struct sp_runner *r, int extra_fd, sp_time until, bool *extra, struct sp_trouble *t);
/* The halves of a turn, for a caller that waits for many runners at once: sends what is due (SP_EXIT_IO);
 * takes every datagram that is there. */
int sp_runner_flush(struct sp_runner *r, struct sp_trouble *t);
void sp_runner_take(struct sp_runner *r);
/* sp_client_submit, sp_client_poll and sp_client_keep, noted in the history. */
int sp_runner_submit(struct sp_runner *r, const struct sp_outgoing *m, struct sp_msgid *id);
int sp_runner_poll(struct sp_runner *r, struct sp_client_event *ev);
int sp_runner_keep(struct sp_runner *r, struct sp_seq upto);
/* Says goodbye and closes everything.  Safe on a runner whose open failed. */
void sp_runner_close(struct sp_runner *r);

/* Whether SIGTERM or SIGINT came since sp_runner_signals installed the handlers. */
void sp_runner_signals(void);
bool sp_runner_is_told_to_end(void);

/* What an event says about the end of this client: 0 to go on, else an exit code with a text. */
int sp_runner_verdict(const struct sp_client_event *ev, struct sp_trouble *t);
/* "accepted", "stored", ... as the verbs print states. */
const char *sp_runner_state_name(uint8_t state);
/* "QUOTA", ... as docs/protocol.md names codes. */
const char *sp_runner_code_name(int code);
/* The msgid in its text form, 16 hexadecimal digits; dst takes 17 bytes. */
void sp_runner_msgid_print(struct sp_msgid id, char *dst);
bool sp_runner_msgid_parse(const char *text, struct sp_msgid *out);

#endif
