#include "files_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive_tree.h"
#include "cleanup.h"
#include "files_view.h"
#include "overlay_notes.h"
#include "owners.h"

enum { MAX_READ = 1 << 20 };

static int failed(struct archive_failure *failure, const char *what, const char *path) {
    char name[320];
    return archive_fail_errno(failure, errno, "%s /%s", what, archive_printable(path, name, sizeof name));
}

static int put(const char *text) {
    return fwrite(text, strlen(text) + 1, 1, stdout) == 1 ? 0 : -1;
}

static char type_letter(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return 'f';
        case S_IFDIR: return 'd';
        case S_IFLNK: return 'l';
        case S_IFCHR: return 'c';
        case S_IFBLK: return 'b';
        case S_IFIFO: return 'p';
        default: return 's';
    }
}

static int print_entry(int fd, const char *path, const struct stat *status) {
    char link[PATH_MAX] = "";
    if (S_ISLNK(status->st_mode)) {
        ssize_t size = readlinkat(fd, "", link, sizeof link - 1);
        if (size < 0) return -1;
        link[size] = 0;
    }
    bool several = status->st_nlink > 1 && !S_ISDIR(status->st_mode);
    printf("%c%c%o%c%u%c%u%c%" PRId64 "%c%" PRId64 "%c%ld%c%" PRIu64 "%c%u:%u%c", type_letter(status->st_mode), 0,
           status->st_mode & 07777u, 0, owners_shown_uid(status->st_uid), 0, owners_shown_gid(status->st_gid), 0,
           (int64_t)status->st_size, 0,
           (int64_t)status->st_mtim.tv_sec, 0, status->st_mtim.tv_nsec, 0, several ? (uint64_t)status->st_ino : 0, 0,
           major(status->st_rdev), minor(status->st_rdev), 0);
    return put(path) < 0 || put(link) < 0 ? -1 : 0;
}

/* Paths still to be looked at, the next one last. */
struct pending {
    char **paths;
    size_t count, room;
};

static int push(struct pending *pending, const char *parent, const char *name) {
    if (pending->count == pending->room) {
        size_t room = pending->room == 0 ? 64 : pending->room * 2;
        char **grown = realloc(pending->paths, room * sizeof *grown);
        if (grown == NULL) return -1;
        pending->paths = grown;
        pending->room = room;
    }
    size_t size = strlen(parent) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) return -1;
    snprintf(path, size, "%s%s%s", parent, *parent == 0 ? "" : "/", name);
    pending->paths[pending->count++] = path;
    return 0;
}

/* Last name first, so that the first is taken off the end first. */
static int backwards(const void *a, const void *b) {
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static int push_children(int root, const char *path, struct pending *pending) {
    int fd = tree_open(root, path, O_RDONLY | O_DIRECTORY);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0) close(fd);
        return -1;
    }
    size_t first = pending->count;
    int result = 0;
    struct dirent *child;
    while (result == 0 && (errno = 0, child = readdir(folder)) != NULL)
        if (strcmp(child->d_name, ".") != 0 && strcmp(child->d_name, "..") != 0) result = push(pending, path, child->d_name);
    int error = result < 0 ? ENOMEM : errno;
    closedir(folder);
    if (pending->count > first) qsort(pending->paths + first, pending->count - first, sizeof *pending->paths, backwards);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* `pending` NULL: what a folder holds is not wanted. */
static int list_one(int root, const char *path, struct pending *pending) {
    AUTO_FD fd = tree_open(root, path, O_PATH | O_NOFOLLOW);
    struct stat status;
    /* Removed since its folder was read: the tree of a running container. */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (fd < 0 || fstat(fd, &status) < 0 || print_entry(fd, path, &status) < 0) return -1;
    return S_ISDIR(status.st_mode) && pending != NULL ? push_children(root, path, pending) : 0;
}

/* Print where `base` leads: 1 when something is there, 0, -1. */
static int find_base(int root, const char *base, char path[PATH_MAX], struct archive_failure *failure) {
    if (view_resolve(root, base, path) < 0 && errno != ENOTDIR && errno != ELOOP) return failed(failure, "look-up of", base);
    AUTO_FD there = tree_open(root, path, O_PATH | O_NOFOLLOW);
    if (there < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return failed(failure, "look-up of", base);
    if (put(there < 0 ? "M" : "B") < 0 || put(path) < 0) return failed(failure, "write", "");
    return there >= 0;
}

int files_stat(int root, const char *base, struct archive_failure *failure) {
    char path[PATH_MAX];
    int found = find_base(root, base, path, failure);
    if (found <= 0) return found;
    return list_one(root, path, NULL) < 0 ? failed(failure, "look-up of", path) : 0;
}

int files_list(int root, const char *base, struct archive_failure *failure) {
    char path[PATH_MAX];
    int found = find_base(root, base, path, failure);
    if (found <= 0) return found;
    struct pending pending = {0};
    int result = push(&pending, "", path);
    while (result == 0 && pending.count > 0) {
        char *next = pending.paths[--pending.count];
        if (list_one(root, next, &pending) < 0) result = failed(failure, "listing of", next);
        free(next);
    }
    while (pending.count > 0) free(pending.paths[--pending.count]);
    free(pending.paths);
    return result;
}

/* What overlayfs notes for itself is not the file's. */
static bool is_own(const char *name) {
    return !is_overlay_note(name);
}

static int hash_xattrs(int fd, struct sha256_ctx *hash) {
    static char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
    ssize_t length = flistxattr(fd, names, sizeof names);
    if (length < 0) return errno == ENOTSUP ? 0 : -1;
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (!is_own(name)) continue;
        ssize_t size = fgetxattr(fd, name, value, sizeof value);
        if (size < 0) return -1;
        sha256_update(hash, strlen(name) + 1, (const uint8_t *)name);
        sha256_update(hash, (size_t)size, (const uint8_t *)value);
    }
    return 0;
}

int files_digest(int root, const char *path, struct archive_failure *failure) {
    static unsigned char buffer[1 << 18];
    AUTO_FD fd = tree_open(root, path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0) return failed(failure, "open of", path);
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (;;) {
        ssize_t count = read(fd, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(failure, "read of", path);
        if (count == 0) break;
        sha256_update(&hash, (size_t)count, buffer);
    }
    if (hash_xattrs(fd, &hash) < 0) return failed(failure, "attributes of", path);
    unsigned char digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) printf("%02x", digest[i]);
    putchar(0);
    return 0;
}

int files_read(int root, const char *raw, struct archive_failure *failure) {
    static char content[MAX_READ];
    char path[PATH_MAX];
    int resolved = view_resolve(root, raw, path);
    /* Looked at before it is opened: to open an image's device node could do something already. */
    AUTO_FD place = resolved < 0 ? -1 : tree_open(root, path, O_PATH | O_NOFOLLOW);
    struct stat status;
    if (place < 0 || fstat(place, &status) < 0 || !S_ISREG(status.st_mode)) return put("-");
    AUTO_FD fd = tree_open(root, path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0) return failed(failure, "open of", raw);
    size_t used = 0;
    for (ssize_t count = 1; count != 0 && used < sizeof content;) {
        count = read(fd, content + used, sizeof content - used);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(failure, "read of", raw);
        used += (size_t)count;
    }
    printf("%zu%c", used, 0);
    return fwrite(content, 1, used, stdout) == used ? 0 : failed(failure, "write", "");
}
