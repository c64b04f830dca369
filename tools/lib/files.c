#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sp_files_join(char *dst, size_t cap, const char *dir, const char *name, struct sp_trouble *t)
{
    int n = snprintf(dst, cap, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= cap)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "path too long: %s/%s", dir, name);
    return 0;
}

/* The trouble of a failed call on a path. */
static int failed(struct sp_trouble *t, const char *path, int err)
{
    enum sp_exit code = SP_EXIT_IO;
    if (err == ENOENT || err == ENOTDIR)
        code = SP_EXIT_UNREACHABLE;
    else if (err == EACCES || err == EPERM || err == EROFS)
        code = SP_EXIT_REFUSED;
    return sp_trouble_set(t, code, "%s: %s", path, strerror(err));
}

int sp_files_make_dir(const char *path, struct sp_trouble *t)
{
    char part[SP_FILES_PATH_MAX];
    size_t len = strlen(path);
    struct stat st;
    if (len == 0 || len >= sizeof part)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "path empty or too long: %s", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return failed(t, part, errno);
        if (i < len)
            part[i] = '/';
    }
    if (stat(path, &st) != 0)
        return failed(t, path, errno);
    if (!S_ISDIR(st.st_mode))
        return sp_trouble_set(t, SP_EXIT_IO, "%s: is not a folder", path);
    return 0;
}

static bool is_foreign(const struct stat *st)
{
    return st->st_uid != geteuid() && st->st_uid != 0;
}

int sp_files_check_dir(const char *path, struct sp_trouble *t)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return failed(t, path, errno);
    if (S_ISLNK(st.st_mode))
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: is a symbolic link; name the folder itself", path);
    if (!S_ISDIR(st.st_mode))
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: is not a folder", path);
    if (is_foreign(&st))
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: belongs to user %u; chown it", path, st.st_uid);
    if ((st.st_mode & 022) != 0)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: others can write to it; chmod 700 it", path);
    return 0;
}

/* What makes an open file unfit for a secret. */
static int check_private(const struct stat *st, const char *path, struct sp_trouble *t)
{
    if (!S_ISREG(st->st_mode))
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: is not a regular file", path);
    if (is_foreign(st))
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: belongs to user %u; chown it", path, st->st_uid);
    if ((st->st_mode & 077) != 0)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: others have access (mode %04o); chmod 600 it", path,
                              st->st_mode & 07777);
    return 0;
}

/* Reads to the end of the file or until dst is full.  Returns the count, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *dst, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, dst + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

int sp_files_read_private(const char *path, uint8_t *dst, size_t cap, size_t *len, struct sp_trouble *t)
{
    struct stat st;
    ssize_t n = 0;
    int result = -1;
    /* O_NONBLOCK: opening a named pipe must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ELOOP)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: is a symbolic link; name the file itself", path);
    if (fd < 0)
        return failed(t, path, errno);
    if (fstat(fd, &st) != 0) {
        (void)failed(t, path, errno);
    } else if (check_private(&st, path, t) == 0) {
        n = st.st_size > (off_t)cap ? (ssize_t)cap + 1 : read_all(fd, dst, cap);
        if (n < 0)
            (void)failed(t, path, errno);
        else if ((size_t)n > cap)
            (void)sp_trouble_set(t, SP_EXIT_CONFIG, "%s: longer than %zu bytes", path, cap);
        else
            result = 0;
    }
    (void)close(fd);
    if (result == 0)
        *len = (size_t)n;
    return result;
}

/* All bytes, then to the disk.  0, or -1 with errno. */
static int write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

/* Makes the name of a new file durable. */
static int sync_parent(const char *path)
{
    char dir[SP_FILES_PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    int fd = -1, result = 0;
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= sizeof dir) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(dir, path, len);
        dir[len] = '\0';
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    result = fsync(fd);
    (void)close(fd);
    return result;
}

int sp_files_create_private(const char *path, const void *data, size_t len, struct sp_trouble *t)
{
    int err = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: exists already; nothing is overwritten", path);
    if (fd < 0)
        return failed(t, path, errno);
    if (write_all(fd, data, len) != 0 || fchmod(fd, 0600) != 0)
        err = errno;
    if (close(fd) != 0 && err == 0)
        err = errno;
    if (err == 0 && sync_parent(path) != 0)
        err = errno;
    if (err == 0)
        return 0;
    (void)unlink(path);
    return sp_trouble_set(t, SP_EXIT_IO, "%s: %s", path, strerror(err));
}

int sp_files_replace_private(const char *path, const void *data, size_t len, struct sp_trouble *t)
{
    char fresh[SP_FILES_PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof fresh)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "path too long: %s", path);
    (void)unlink(fresh); /* left by a run that was cut off */
    if (sp_files_create_private(fresh, data, len, t) != 0)
        return -1;
    if (rename(fresh, path) == 0 && sync_parent(path) == 0)
        return 0;
    (void)sp_trouble_set(t, SP_EXIT_IO, "%s: %s", path, strerror(errno));
    (void)unlink(fresh);
    return -1;
}

bool sp_files_is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}
