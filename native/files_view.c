#include "files_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_tree.h"
#include "cleanup.h"
#include "mounts.h"
#include "overlay.h"

enum { MAX_LINKS = 40 };

/* The field of a plan that lists the folders: length, bytes, NUL for each. */
static char *list_of(const struct view_folders *folders) {
    size_t size = 0;
    for (size_t i = 0; i < folders->lower_count; i++) size += sizeof(uint32_t) + strlen(folders->lower[i]) + 1;
    char *list = malloc(size), *at = list;
    for (size_t i = 0; list != NULL && i < folders->lower_count; i++) {
        uint32_t length = (uint32_t)strlen(folders->lower[i]);
        memcpy(at, &length, sizeof length);
        memcpy(at + sizeof length, folders->lower[i], length + 1);
        at += sizeof length + length + 1;
    }
    return list;
}

static int open_overlay(const struct view_folders *folders, struct archive_failure *failure) {
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return archive_fail_errno(failure, errno, "mount namespace");
    char *list = list_of(folders);
    if (list == NULL) return archive_fail_errno(failure, errno, "memory for folders");
    /* The overlay lies over its own topmost folder, which nobody else sees here. */
    const char *place = folders->upper != NULL ? folders->upper : folders->lower[0];
    /* A folder that is renamed is copied: a link to where it was would mean nothing in a layer. */
    static const char options[] = "redirect_dir=off,metacopy=off";
    char option_list[sizeof(uint32_t) + sizeof options];
    uint32_t length = sizeof options - 1;
    memcpy(option_list, &length, sizeof length);
    memcpy(option_list + sizeof length, options, sizeof options);
    struct operation operation = {.code = OP_ROOTFS_OVERLAY, .f = {{.s = list, .n = (uint32_t)folders->lower_count}}};
    if (folders->upper != NULL) {
        operation.f[1] = (struct field){.s = folders->upper, .n = (uint32_t)strlen(folders->upper)};
        operation.f[2] = (struct field){.s = folders->work, .n = (uint32_t)strlen(folders->work)};
        operation.f[3] = (struct field){.s = option_list, .n = 1};
    }
    struct failure why = {0};
    int root = mount_attach_root(overlay_tree(&operation, 0, &why), place, &why);
    free(list);
    return root < 0 ? archive_fail_errno(failure, why.error, "%s", why.detail) : root;
}

int view_open(const struct view_folders *folders, struct archive_failure *failure) {
    bool alone = folders->lower_count + (folders->upper != NULL) == 1;
    if (!alone) return open_overlay(folders, failure);
    const char *folder = folders->upper != NULL ? folders->upper : folders->lower[0];
    int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? archive_fail_errno(failure, errno, "%.400s", folder) : root;
}

static void drop_last(char *path) {
    char *slash = strrchr(path, '/');
    *(slash == NULL ? path : slash) = 0;
}

static int put_last(char path[PATH_MAX], const char *part, size_t length) {
    size_t used = strlen(path);
    if (length > NAME_MAX || used + length + 2 > PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (used > 0) path[used++] = '/';
    memcpy(path + used, part, length);
    path[used + length] = 0;
    return 0;
}

int view_resolve(int root, const char *raw, char path[PATH_MAX]) {
    static char rest[2 * PATH_MAX];
    if (strlen(raw) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(rest, raw, strlen(raw) + 1);
    path[0] = 0;
    int missing = 0;
    for (int links = 0; rest[0] != 0;) {
        size_t skip = strspn(rest, "/"), length = strcspn(rest + skip, "/");
        char part[NAME_MAX + 1];
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(part, rest + skip, length);
        part[length] = 0;
        memmove(rest, rest + skip + length, strlen(rest + skip + length) + 1);
        if (length == 0 || strcmp(part, ".") == 0) continue;
        if (strcmp(part, "..") == 0) {
            drop_last(path);
            missing = 0;
            continue;
        }
        if (put_last(path, part, length) < 0) return -1;
        if (missing) continue;
        AUTO_FD fd = tree_open_across(root, path, O_PATH | O_NOFOLLOW);
        struct stat status;
        if (fd < 0 && errno == ENOENT) missing = 1;
        else if (fd < 0 || fstat(fd, &status) < 0) return -1;
        if (fd < 0 || !S_ISLNK(status.st_mode)) continue;
        char link[2 * PATH_MAX];
        ssize_t size = readlinkat(fd, "", link, PATH_MAX - 1);
        if (size < 0) return -1;
        if (++links > MAX_LINKS) {
            errno = ELOOP;
            return -1;
        }
        link[size] = 0;
        drop_last(path);
        if (link[0] == '/') path[0] = 0;
        if ((size_t)size + strlen(rest) + 2 > sizeof link) {
            errno = ENAMETOOLONG;
            return -1;
        }
        link[size] = '/';
        memcpy(link + size + 1, rest, strlen(rest) + 1);
        memcpy(rest, link, strlen(link) + 1);
    }
    return 0;
}
