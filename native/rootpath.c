#include "rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define MAX_ATTEMPTS 128

static int resolve(int root, const char *path, int flags, uint64_t how_resolve) {
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = how_resolve};
    while (*path == '/') path++;
    int fd = -1;
    /*
     * A rename that races with the look-up makes it give up safely with EAGAIN. Not for ever: who goes on renaming, or
     * holds a lease on the file, fails the look-up and does not keep it.
     */
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) break;
    }
    return fd;
}

int root_open(int root, const char *path, int flags) {
    return resolve(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int root_open_nolinks(int root, const char *path, int flags) {
    return resolve(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int root_make_folder(int root, const char *path, mode_t mode) {
    int whole = root_open(root, path, O_PATH | O_DIRECTORY);
    if (whole >= 0 || errno != ENOENT) return whole;
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int parent = root_open(root, "/", O_PATH | O_DIRECTORY);
    size_t start = 0;
    while (parent >= 0 && start < length) {
        size_t end = start;
        while (end < length && path[end] != '/') end++;
        if (end == start) {
            start = end + 1;
            continue;
        }
        memcpy(prefix, path, end);
        prefix[end] = 0;
        AUTO_FD above = parent;
        parent = root_open(root, prefix, O_PATH | O_DIRECTORY);
        if (parent < 0 && errno == ENOENT) {
            char name[NAME_MAX + 1];
            if (end - start > NAME_MAX) {
                errno = ENAMETOOLONG;
                return -1;
            }
            memcpy(name, path + start, end - start);
            name[end - start] = 0;
            if (mkdirat(above, name, mode) && errno != EEXIST) return -1;
            parent = root_open(root, prefix, O_PATH | O_DIRECTORY);
        }
        start = end + 1;
    }
    return parent;
}

int root_make_parent(int root, const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    char parent[PATH_MAX];
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof parent) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, path, length);
    parent[length] = 0;
    return root_make_folder(root, parent, 0755);
}

int root_make_target(int root, const char *path, int folder, mode_t mode) {
    if (folder) return root_make_folder(root, path, mode);
    int target = root_open(root, path, O_PATH);
    if (target >= 0 || errno != ENOENT) return target;
    const char *name;
    AUTO_FD parent = root_make_parent(root, path, &name);
    if (parent < 0) return -1;
    AUTO_FD made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
    if (made < 0 && errno != EEXIST) return -1;
    return root_open(root, path, O_PATH);
}
