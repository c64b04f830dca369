/* The event log: buffered lines in a bounded file. */
#include "eventlog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 96

struct sp_eventlog {
    FILE *file;
    uint64_t bytes, bytes_max, skipped;
};

int sp_eventlog_open(struct sp_eventlog **out, const char *path, uint64_t bytes_max)
{
    struct sp_eventlog *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -1;
    log->file = fopen(path, "we");
    if (log->file == NULL) {
        int error = errno;
        free(log);
        errno = error;
        return -1;
    }
    log->bytes_max = bytes_max;
    *out = log;
    return 0;
}

int sp_eventlog_close(struct sp_eventlog **log)
{
    if (*log == NULL)
        return 0;
    int bad = ferror((*log)->file);
    if (fclose((*log)->file) != 0)
        bad = 1;
    free(*log);
    *log = NULL;
    return bad != 0 ? -1 : 0;
}

void sp_eventlog_add(struct sp_eventlog *log, int64_t time_us, enum sp_model_dir dir, const char *fate,
                     uint64_t index)
{
    if (log == NULL)
        return;
    if (log->bytes + LINE_MAX_BYTES > log->bytes_max) {
        log->skipped++;
        return;
    }
    int len =
        fprintf(log->file, "%" PRId64 " %s %s %" PRIu64 "\n", time_us, sp_model_dir_name(dir), fate, index);
    if (len > 0)
        log->bytes += (uint64_t)len;
}

void sp_eventlog_flush(struct sp_eventlog *log)
{
    if (log != NULL)
        (void)fflush(log->file);
}

uint64_t sp_eventlog_skipped(const struct sp_eventlog *log)
{
    return log == NULL ? 0 : log->skipped;
}
