#include "files_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive_attributes.h"
#include "archive_tree.h"
#include "archive_unpack.h"
#include "cleanup.h"
#include "files_view.h"
#include "owners.h"

enum { MAX_FIELDS = 9 };

struct folder_time {
    char *path;
    struct timespec mtime;
};

struct copy {
    int source, root;
    /* True name of the target. */
    char target[PATH_MAX];
    struct folder_time *times;
    size_t time_count;
    struct archive_failure *failure;
};

static int failed(struct copy *copy, const char *what, const char *path) {
    char name[320];
    return archive_fail_errno(copy->failure, errno, "%s /%s", what, archive_printable(path, name, sizeof name));
}

static int64_t number(const char *text) {
    return strtoll(text, NULL, 10);
}

static uid_t uid_of(const char *text) {
    return owners_disk_uid((uid_t)number(text));
}

static gid_t gid_of(const char *text) {
    return owners_disk_gid((gid_t)number(text));
}

static mode_t mode_of(const char *text) {
    return (mode_t)strtoul(text, NULL, 8) & 07777;
}

static struct timespec time_of(char *const *fields) {
    return (struct timespec){.tv_sec = number(fields[0]), .tv_nsec = number(fields[1])};
}

/* The whole name of what is called `below` under the target. */
static int whole_name(struct copy *copy, const char *below, char path[PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s%s%s", copy->target, *copy->target != 0 && *below != 0 ? "/" : "", below);
    if (length < PATH_MAX) return 0;
    errno = ENAMETOOLONG;
    return failed(copy, "name of", below);
}

static int is_folder(int root, const char *path) {
    AUTO_FD fd = tree_open(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return fd >= 0;
}

static int set_target(struct copy *copy, char *const *fields) {
    if (view_resolve(copy->root, fields[0], copy->target) < 0) return failed(copy, "look-up of", fields[0]);
    if (*fields[1] == 0 || !is_folder(copy->root, copy->target)) return 0;
    char path[PATH_MAX];
    if (whole_name(copy, fields[1], path) < 0) return -1;
    memcpy(copy->target, path, sizeof path);
    return 0;
}

/* Make a folder and the parents that are missing, all alike. `path` is a true name. */
static int make_folders(struct copy *copy, const char *path, mode_t mode, uid_t uid, gid_t gid) {
    char part[PATH_MAX];
    for (size_t end = 0; path[end] != 0;) {
        end += strcspn(path + end, "/");
        memcpy(part, path, end);
        part[end] = 0;
        if (path[end] == '/') end++;
        const char *slash = strrchr(part, '/'), *name = slash == NULL ? part : slash + 1;
        char above[PATH_MAX];
        memcpy(above, part, (size_t)(name - part));
        above[name == part ? 0 : name - part - 1] = 0;
        AUTO_FD parent = tree_open(copy->root, above, O_PATH | O_DIRECTORY);
        if (parent < 0) return failed(copy, "open of", above);
        if (mkdirat(parent, name, mode) == 0) {
            if (fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(parent, name, mode, 0) < 0)
                return failed(copy, "attributes of", part);
        } else if (errno != EEXIST) {
            return failed(copy, "mkdir", part);
        } else if (!is_folder(copy->root, part)) {
            char shown[320];
            return archive_fail(copy->failure, ARCHIVE_BAD, "cannot copy to non-directory: /%s",
                                archive_printable(part, shown, sizeof shown));
        }
    }
    return 0;
}

static int make_path(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    if (view_resolve(copy->root, fields[0], path) < 0) return failed(copy, "look-up of", fields[0]);
    return make_folders(copy, path, mode_of(fields[1]), uid_of(fields[2]), gid_of(fields[3]));
}

/* The open parent of an entry, and its last name within `path`. Missing parents are made 0755 as root's. */
static int open_parent(struct copy *copy, const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    char above[PATH_MAX];
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(above, path, length);
    above[length] = 0;
    *name = slash == NULL ? path : slash + 1;
    int parent = tree_open(copy->root, above, O_RDONLY | O_DIRECTORY);
    if (parent < 0 && errno == ENOENT) {
        if (make_folders(copy, above, 0755, owners_disk_uid(0), owners_disk_gid(0)) < 0) return -1;
        parent = tree_open(copy->root, above, O_RDONLY | O_DIRECTORY);
    }
    if (parent < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        char shown[320];
        return archive_fail(copy->failure, ARCHIVE_BAD, "cannot copy to non-directory: /%s",
                            archive_printable(above, shown, sizeof shown));
    }
    return parent < 0 ? failed(copy, "open of", above) : parent;
}

/* Take what is in the way of a file; a folder stays and is an error. */
static int clear_name(struct copy *copy, int parent, const char *name, const char *path) {
    if (*name == 0) errno = EISDIR;
    else if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR) return failed(copy, "removal of", path);
    char shown[320];
    return archive_fail(copy->failure, ARCHIVE_BAD, "cannot copy file over the directory /%s",
                        archive_printable(path, shown, sizeof shown));
}

static int remember_time(struct copy *copy, const char *path, struct timespec mtime) {
    if ((copy->time_count & (copy->time_count - 1)) == 0) {
        size_t room = copy->time_count == 0 ? 1 : copy->time_count * 2;
        struct folder_time *grown = realloc(copy->times, room * sizeof *grown);
        if (grown == NULL) return failed(copy, "memory for", path);
        copy->times = grown;
    }
    char *name = strdup(path);
    if (name == NULL) return failed(copy, "memory for", path);
    copy->times[copy->time_count++] = (struct folder_time){.path = name, .mtime = mtime};
    return 0;
}

static int copy_folder(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    if (whole_name(copy, fields[0], path) < 0) return -1;
    bool there = is_folder(copy->root, path);
    if (there && *fields[6] == '0') return 0;
    mode_t mode = mode_of(fields[1]);
    if (!there) {
        const char *name;
        AUTO_FD parent = open_parent(copy, path, &name);
        if (parent < 0) return -1;
        if (mkdirat(parent, name, mode) < 0) {
            char shown[320];
            if (errno != EEXIST) return failed(copy, "mkdir", path);
            return archive_fail(copy->failure, ARCHIVE_BAD, "cannot copy to non-directory: /%s",
                                archive_printable(path, shown, sizeof shown));
        }
    }
    AUTO_FD fd = tree_open(copy->root, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return failed(copy, "open of", path);
    if (fchown(fd, uid_of(fields[2]), gid_of(fields[3])) < 0 || fchmod(fd, mode) < 0)
        return failed(copy, "attributes of", path);
    return remember_time(copy, path, time_of(fields + 4));
}

static int copy_range(int from, int to, off_t begin, off_t end) {
    off_t left = end - begin;
    if (lseek(from, begin, SEEK_SET) < 0 || lseek(to, begin, SEEK_SET) < 0) return -1;
    while (left > 0) {
        ssize_t count = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        if (count < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) break;
        if (count < 0) return -1;
        if (count == 0) return 0;
        left -= count;
    }
    while (left > 0) {
        ssize_t count = sendfile(to, from, NULL, (size_t)left);
        if (count < 0) return -1;
        if (count == 0) return 0;
        left -= count;
    }
    return 0;
}

/* Holes stay holes: a disk image of many gigabytes may have only a few of bytes. */
static int copy_bytes(int from, int to, off_t size) {
    for (off_t at = 0; at < size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        /* A file system that tells of no holes has none. */
        if (data < 0) data = at;
        if (hole < 0) hole = size;
        if (copy_range(from, to, data, hole) < 0) return -1;
        at = hole;
    }
    return ftruncate(to, size);
}

static int copy_file(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    const char *name;
    if (whole_name(copy, fields[1], path) < 0) return -1;
    AUTO_FD from = tree_open(copy->source, fields[0], O_RDONLY | O_NOFOLLOW);
    struct stat status;
    if (from < 0 || fstat(from, &status) < 0) return failed(copy, "open of", fields[0]);
    AUTO_FD parent = open_parent(copy, path, &name);
    if (parent < 0 || clear_name(copy, parent, name, path) < 0) return -1;
    AUTO_FD to = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) return failed(copy, "open of", path);
    if (copy_bytes(from, to, status.st_size) < 0) return failed(copy, "copying to", path);
    if (attributes_copy(from, to, copy->failure) < 0) return -1;
    if (fchown(to, uid_of(fields[3]), gid_of(fields[4])) < 0 || fchmod(to, mode_of(fields[2])) < 0)
        return failed(copy, "attributes of", path);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
    return futimens(to, times) < 0 ? failed(copy, "time of", path) : 0;
}

static int finish_named(struct copy *copy, int parent, const char *name, const char *path, char *const *owner,
                        struct timespec mtime) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime};
    if (fchownat(parent, name, uid_of(owner[0]), gid_of(owner[1]), AT_SYMLINK_NOFOLLOW) < 0 ||
        utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(copy, "attributes of", path);
    return 0;
}

static int copy_link(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    const char *name;
    if (whole_name(copy, fields[0], path) < 0) return -1;
    AUTO_FD parent = open_parent(copy, path, &name);
    if (parent < 0 || clear_name(copy, parent, name, path) < 0) return -1;
    if (symlinkat(fields[1], parent, name) < 0) return failed(copy, "symlink", path);
    return finish_named(copy, parent, name, path, fields + 2, time_of(fields + 4));
}

static int copy_special(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    const char *name;
    unsigned device[2] = {0, 0};
    if (whole_name(copy, fields[0], path) < 0) return -1;
    AUTO_FD parent = open_parent(copy, path, &name);
    if (parent < 0 || clear_name(copy, parent, name, path) < 0) return -1;
    mode_t type = *fields[1] == 'p' ? S_IFIFO : *fields[1] == 'b' ? S_IFBLK : S_IFCHR;
    if (sscanf(fields[5], "%u:%u", &device[0], &device[1]) != 2) errno = EINVAL;
    else if (mknodat(parent, name, type | mode_of(fields[2]), makedev(device[0], device[1])) == 0 &&
             fchmodat(parent, name, mode_of(fields[2]), 0) == 0)
        return finish_named(copy, parent, name, path, fields + 3, time_of(fields + 6));
    return failed(copy, "mknod", path);
}

static int copy_name(struct copy *copy, char *const *fields) {
    char path[PATH_MAX], earlier[PATH_MAX];
    const char *name, *earlier_name;
    if (whole_name(copy, fields[0], path) < 0 || whole_name(copy, fields[1], earlier) < 0) return -1;
    AUTO_FD parent = open_parent(copy, path, &name);
    AUTO_FD other = parent < 0 ? -1 : open_parent(copy, earlier, &earlier_name);
    if (other < 0 || clear_name(copy, parent, name, path) < 0) return -1;
    return linkat(other, earlier_name, parent, name, 0) < 0 ? failed(copy, "link", path) : 0;
}

static int unpack_into(struct copy *copy, char *const *fields) {
    char path[PATH_MAX];
    if (whole_name(copy, fields[1], path) < 0 || make_folders(copy, path, 0755, owners_disk_uid(0), owners_disk_gid(0)) < 0) return -1;
    AUTO_FD archive = tree_open(copy->source, fields[0], O_RDONLY | O_NOFOLLOW);
    if (archive < 0) return failed(copy, "open of", fields[0]);
    AUTO_FD folder = tree_open(copy->root, path, O_RDONLY | O_DIRECTORY);
    if (folder < 0) return failed(copy, "open of", path);
    return unpack_plain(archive, folder, copy->failure);
}

struct kind {
    char letter;
    size_t fields;
    int (*run)(struct copy *copy, char *const *fields);
};

static const struct kind kinds[] = {
    {'T', 2, set_target}, {'P', 4, make_path},    {'D', 7, copy_folder}, {'F', 5, copy_file},
    {'L', 6, copy_link},  {'N', 8, copy_special}, {'H', 2, copy_name},   {'U', 2, unpack_into},
};

static int set_times(struct copy *copy) {
    for (size_t i = copy->time_count; i > 0; i--) {
        AUTO_FD fd = tree_open(copy->root, copy->times[i - 1].path, O_RDONLY | O_DIRECTORY);
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, copy->times[i - 1].mtime};
        if (fd >= 0 && futimens(fd, times) < 0) return failed(copy, "time of", copy->times[i - 1].path);
    }
    return 0;
}

static int run_all(struct copy *copy, const char *records, size_t size) {
    const char *end = records + size;
    while (records < end) {
        const struct kind *kind = NULL;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (kinds[i].letter == *records && records[1] == 0) kind = &kinds[i];
        if (kind == NULL) return archive_fail(copy->failure, ARCHIVE_BAD, "unknown record");
        char *fields[MAX_FIELDS];
        records += 2;
        for (size_t i = 0; i < kind->fields; i++) {
            if (records >= end) return archive_fail(copy->failure, ARCHIVE_BAD, "record cut short");
            fields[i] = (char *)(uintptr_t)records;
            records += strlen(records) + 1;
        }
        if (kind->run(copy, fields) < 0) return -1;
    }
    return set_times(copy);
}

int files_copy(int source, int root, const char *records, size_t size, struct archive_failure *failure) {
    static struct copy copy;
    copy = (struct copy){.source = source, .root = root, .failure = failure};
    int result = run_all(&copy, records, size);
    for (size_t i = 0; i < copy.time_count; i++) free(copy.times[i].path);
    free(copy.times);
    return result;
}
