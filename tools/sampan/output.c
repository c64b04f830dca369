#include "output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local_lmdb.h"

struct mark {
    uint64_t dev, ino, offset;
};

static int io_trouble(struct sp_trouble *t)
{
    return sp_trouble_set(t, SP_EXIT_IO, "standard output: %s", strerror(errno));
}

/* Cuts off what was written after the mark, if the mark is of this very file. */
static int cut_to_mark(struct sp_output *o, uint64_t size, struct sp_trouble *t)
{
    struct mark m;
    size_t len = 0;
    int rc = sp_local_lmdb_read_mark(o->local, &m, sizeof m, &len);
    if (rc != 0 && rc != SP_EAGAIN)
        return sp_trouble_set(t, SP_EXIT_DAMAGED, "state: %s", sp_err_text(rc));
    o->offset = size;
    if (rc == 0 && len == sizeof m && m.dev == o->dev && m.ino == o->ino && m.offset < size) {
        if (ftruncate(STDOUT_FILENO, (off_t)m.offset) != 0)
            return io_trouble(t);
        o->offset = m.offset;
    }
    return lseek(STDOUT_FILENO, 0, SEEK_END) < 0 ? io_trouble(t) : 0;
}

int sp_output_open(struct sp_output *o, struct sp_local *local, struct sp_trouble *t)
{
    struct stat st;
    o->local = local;
    o->len = 0;
    o->is_file = false;
    if (fstat(STDOUT_FILENO, &st) != 0)
        return io_trouble(t);
    if (!S_ISREG(st.st_mode))
        return 0;
    o->is_file = true;
    o->dev = (uint64_t)st.st_dev;
    o->ino = (uint64_t)st.st_ino;
    return cut_to_mark(o, (uint64_t)st.st_size, t);
}

bool sp_output_add(struct sp_output *o, const void *bytes, size_t n)
{
    if (n > sizeof o->buf - o->len)
        return false;
    memcpy(o->buf + o->len, bytes, n);
    o->len += n;
    return true;
}

static int write_all(struct sp_output *o, struct sp_trouble *t)
{
    size_t done = 0;
    while (done < o->len) {
        ssize_t n = write(STDOUT_FILENO, o->buf + done, o->len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
            (void)poll(&p, 1, 1000);
        } else if (errno != EINTR) {
            return io_trouble(t);
        }
    }
    return 0;
}

int sp_output_flush(struct sp_output *o, struct sp_trouble *t)
{
    if (o->len == 0)
        return 0;
    if (write_all(o, t) != 0)
        return -1;
    if (o->is_file) {
        if (fdatasync(STDOUT_FILENO) != 0)
            return io_trouble(t);
        o->offset += o->len;
        struct mark m = {.dev = o->dev, .ino = o->ino, .offset = o->offset};
        int rc = sp_local_lmdb_mark(o->local, &m, sizeof m);
        if (rc != 0)
            return sp_trouble_set(t, SP_EXIT_IO, "state: %s", sp_err_text(rc));
    }
    o->len = 0;
    return 0;
}
