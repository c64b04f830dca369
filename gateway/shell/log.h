/* Log lines on stderr: key=value pairs, as text on a terminal, with a "<N>" priority under journald.  An err
 * or warn line that repeats within ten seconds is counted instead, and the count is told afterwards.  Never
 * waits: a line that stderr cannot take now is lost and counted.  No bodies, keys or tokens belong here. */
#ifndef SP_LOG_H
#define SP_LOG_H

#include <sampan/types.h>

enum sp_log_level { SP_LOG_ERR, SP_LOG_WARN, SP_LOG_INFO, SP_LOG_DEBUG };
enum sp_log_format { SP_LOG_LOGFMT, SP_LOG_TEXT, SP_LOG_JOURNAL };

#define SP_LOG_REPEATS_MAX 16

/* One key=value pair: a text, which is quoted when it needs to be, or a number. */
struct sp_log_field {
    const char *key, *text;
    int64_t number; /* when text is NULL */
};

struct sp_log_repeat {
    const char *event; /* a literal; NULL: free */
    uint64_t hash;     /* of level, event and fields */
    enum sp_log_level level;
    int64_t first_us, last_us; /* wall time */
    uint64_t count;            /* lines left out */
};

struct sp_log {
    int fd;
    enum sp_log_level level; /* least important that is written */
    enum sp_log_format format;
    uint64_t lost; /* lines that fd could not take */
    struct sp_log_repeat repeats[SP_LOG_REPEATS_MAX];
};

/* A log on descriptor fd, in the format that fits what fd is. */
void sp_log_init(struct sp_log *l, int fd, enum sp_log_level level);

/* Writes one line, or counts it as a repeat.  `event` is a literal word; unix_us is the wall time. */
void sp_log_write(struct sp_log *l, enum sp_log_level level, int64_t unix_us, const char *event,
                  const struct sp_log_field *fields, size_t n);

/* Tells the counts whose ten seconds are over.  Call it about once a second, and with unix_us = INT64_MAX at
 * the end. */
void sp_log_tick(struct sp_log *l, int64_t unix_us);

/* sp_log(log, SP_LOG_INFO, "drain", SP_LOG_N("sessions", n), SP_LOG_S("reason", text)): a line with the time
 * of now. */
#define SP_LOG_S(key, text)   ((struct sp_log_field){(key), (text), 0})
#define SP_LOG_N(key, number) ((struct sp_log_field){(key), NULL, (int64_t)(number)})
#define SP_LOG(log, level, event, ...)                                                                       \
    sp_log_write((log), (level), sp_sys_unix_us(), (event), (const struct sp_log_field[]){__VA_ARGS__},      \
                 sizeof((const struct sp_log_field[]){__VA_ARGS__}) / sizeof(struct sp_log_field))

#endif
