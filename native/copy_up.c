#include "copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "disk_limits.h"
#include "failure.h"

/* Deeper trees than this are refused rather than followed: one pair of descriptors is open for each level. */
#define MAX_DEPTH 256

static void close_dir(DIR *const *dir) {
    if (*dir) closedir(*dir);
}
#define AUTO_DIR __attribute__((cleanup(close_dir))) DIR

static DIR *open_dir(int folder) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !dir) close(fd);
    return dir;
}

static int is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int is_empty(int folder) {
    AUTO_DIR *dir = open_dir(folder);
    if (!dir) return -1;
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (!is_dot(entry->d_name)) return 0;
    return 1;
}

static int copy_xattrs(int from, int to) {
    static char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
    ssize_t size = flistxattr(from, names, sizeof names);
    if (size < 0) return errno == ENOTSUP ? 0 : -1;
    for (char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, sizeof value);
        if (length >= 0 && fsetxattr(to, name, value, (size_t)length, 0) && errno != ENOTSUP && errno != EPERM) return -1;
    }
    return 0;
}

static int copy_metadata(int from, int to, const struct stat *st) {
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchown(to, st->st_uid, st->st_gid) || fchmod(to, st->st_mode & 07777)) return -1;
    if (copy_xattrs(from, to)) return -1;
    return futimens(to, times);
}

static int copy_file(int from_folder, int to_folder, const char *name, const struct stat *st) {
    AUTO_FD from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (from < 0) return -1;
    AUTO_FD to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) return -1;
    for (off_t left = st->st_size; left > 0;) {
        ssize_t sent = sendfile(to, from, NULL, (size_t)left);
        if (sent < 0) return -1;
        if (sent == 0) break;
        left -= sent;
    }
    return copy_metadata(from, to, st);
}

static int copy_other(int from_folder, int to_folder, const char *name, const struct stat *st) {
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (S_ISLNK(st->st_mode)) {
        char link[PATH_MAX];
        ssize_t length = readlinkat(from_folder, name, link, sizeof link - 1);
        if (length < 0) return -1;
        link[length] = 0;
        if (symlinkat(link, to_folder, name)) return -1;
    } else if (S_ISSOCK(st->st_mode)) {
        return 0;
    } else {
        if (mknodat(to_folder, name, st->st_mode, st->st_rdev)) return -1;
    }
    if (fchownat(to_folder, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW)) return -1;
    return utimensat(to_folder, name, times, AT_SYMLINK_NOFOLLOW);
}

/* A copied file whose other names have not all come yet; `left` counts these. */
struct linked {
    dev_t dev;
    ino_t ino;
    uint64_t left;
    int fd;
};

/* More files than this with names still to come are copied once for each further name. */
#define MAX_LINKED 256
static struct linked linked[MAX_LINKED];
static int linked_end;

static void forget_linked(int at) {
    close(linked[at].fd);
    linked[at] = linked[--linked_end];
}

/* Another name for what was copied already; 0 when it was not, or cannot be linked. */
static int link_known(int to_folder, const char *name, const struct stat *st) {
    for (int i = 0; i < linked_end; i++) {
        if (linked[i].dev != st->st_dev || linked[i].ino != st->st_ino) continue;
        /* By its descriptor: what its first name leads to may be another container's doing by now. */
        char path[64] = "/proc/self/fd/";
        append_number(path, sizeof path, (uint64_t)linked[i].fd);
        if (linkat(AT_FDCWD, path, to_folder, name, AT_SYMLINK_FOLLOW)) return 0;
        if (--linked[i].left == 0) forget_linked(i);
        return 1;
    }
    return 0;
}

static int copy_regular(int from_folder, int to_folder, const char *name, const struct stat *st) {
    if (st->st_nlink > 1 && link_known(to_folder, name, st)) return 0;
    if (copy_file(from_folder, to_folder, name, st)) return -1;
    if (st->st_nlink < 2 || linked_end == MAX_LINKED) return 0;
    int fd = openat(to_folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    linked[linked_end++] = (struct linked){.dev = st->st_dev, .ino = st->st_ino, .left = st->st_nlink - 1, .fd = fd};
    return 0;
}

/* One level of the walk: the two folders and where the reading of the first has come to. */
struct level {
    DIR *from;
    int to;
    struct stat st;
};

static void close_level(struct level *level) {
    if (level->from) closedir(level->from);
    if (level->to >= 0) close(level->to);
}

/* Without recursion: the depth is the image's to choose, the stack is ours. */
static int copy_tree(struct level *levels) {
    int depth = 0;
    while (depth >= 0) {
        struct level *level = &levels[depth];
        struct dirent *entry = readdir(level->from);
        if (!entry) {
            if (copy_metadata(dirfd(level->from), level->to, &level->st)) return depth;
            close_level(level);
            *level = (struct level){.to = -1};
            depth--;
            continue;
        }
        const char *name = entry->d_name;
        struct stat st;
        if (is_dot(name)) continue;
        if (fstatat(dirfd(level->from), name, &st, AT_SYMLINK_NOFOLLOW)) return depth;
        if (S_ISREG(st.st_mode)) {
            if (copy_regular(dirfd(level->from), level->to, name, &st)) return depth;
        } else if (!S_ISDIR(st.st_mode)) {
            if (copy_other(dirfd(level->from), level->to, name, &st)) return depth;
        } else {
            if (depth + 1 == MAX_DEPTH) {
                errno = ELOOP;
                return depth;
            }
            int from = openat(dirfd(level->from), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (from < 0) return depth;
            if (mkdirat(level->to, name, 0700)) {
                close(from);
                return depth;
            }
            int to = openat(level->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            DIR *dir = fdopendir(from);
            levels[++depth] = (struct level){.from = dir, .to = to, .st = st};
            if (!dir || to < 0) return depth;
        }
    }
    return -1;
}

static int fill(int source, int to) {
    int empty = is_empty(to);
    if (empty <= 0) return empty;
    static struct level levels[MAX_DEPTH];
    /*
     * Nodes get their mode when they are made. Another container may have the volume too and put a link in the place of
     * one; a chmod(2) by name would follow that to a file of the host.
     */
    mode_t mask = umask(0);
    levels[0] = (struct level){.from = open_dir(source), .to = fcntl(to, F_DUPFD_CLOEXEC, 0)};
    int failed_at = 0;
    if (levels[0].from && levels[0].to >= 0 && fstat(dirfd(levels[0].from), &levels[0].st) == 0)
        failed_at = copy_tree(levels);
    int saved = errno;
    umask(mask);
    for (int i = 0; i <= failed_at; i++) close_level(&levels[i]);
    while (linked_end > 0) forget_linked(linked_end - 1);
    errno = saved;
    return failed_at < 0 ? 0 : -1;
}

int copy_up(int source, int destination, int above) {
    AUTO_FD to = openat(destination, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0 || (above >= 0 && flock(above, LOCK_EX))) return -1;
    int limits = disk_limits_obey();
    int failed = limits < 0 ? -1 : fill(source, to), saved = errno;
    if (limits == 1 && disk_limits_ignore() && !failed) failed = -1, saved = errno;
    if (above >= 0) flock(above, LOCK_UN);
    errno = saved;
    return failed;
}
