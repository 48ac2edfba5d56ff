#include "archive_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive_attributes.h"
#include "owners.h"
#include "rootpath.h"

static int open_beneath(int root, const char *path, int flags, uint64_t more) {
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more,
    };
    return (int)syscall(SYS_openat2, root, *path == 0 ? "." : path, &how, sizeof how);
}

int tree_open(int root, const char *path, int flags) {
    return open_beneath(root, path, flags, RESOLVE_NO_XDEV);
}

int tree_open_across(int root, const char *path, int flags) {
    return open_beneath(root, path, flags, 0);
}

int tree_open_file(int parent, const char *name, const struct stat *expected) {
    struct stat found;
    char path[64];
    int place = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0) return -1;
    int is_it = fstat(place, &found) == 0 && S_ISREG(found.st_mode) && found.st_ino == expected->st_ino && found.st_dev == expected->st_dev;
    snprintf(path, sizeof path, "/proc/self/fd/%d", place);
    errno = ESTALE;
    int fd = is_it ? open(path, O_RDONLY | O_CLOEXEC | O_NOATIME) : -1;
    /* Only the owner and root may ask for that. */
    if (fd < 0 && errno == EPERM) fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = errno;
    close(place);
    errno = error;
    return fd;
}

int tree_clean(const char *raw, char path[PATH_MAX], struct archive_failure *failure) {
    size_t used = 0;
    while (*raw != 0) {
        size_t length = strcspn(raw, "/");
        if (length == 2 && raw[0] == '.' && raw[1] == '.')
            return archive_fail(failure, ARCHIVE_BAD, "name leads out of the layer (..)");
        if (length > NAME_MAX) return archive_fail(failure, ARCHIVE_BAD, "a part of the name has over 255 bytes");
        if (length > 0 && !(length == 1 && raw[0] == '.')) {
            if (used + length + 2 > PATH_MAX) return archive_fail(failure, ARCHIVE_BAD, "name has over 4095 bytes");
            if (used > 0) path[used++] = '/';
            memcpy(path + used, raw, length);
            used += length;
        }
        raw += length;
        if (*raw == '/') raw++;
    }
    path[used] = 0;
    return 0;
}

void tree_forget_parents(struct archive_tree *tree) {
    for (int i = 0; i < TREE_CACHED_PARENTS; i++) {
        struct tree_parent *parent = &tree->parents[i];
        if (parent->path == NULL) continue;
        free(parent->path);
        parent->path = NULL;
        close(parent->fd);
    }
}

static struct tree_parent *cached_parent(struct archive_tree *tree, const char *path, size_t length) {
    for (int i = 0; i < TREE_CACHED_PARENTS; i++) {
        struct tree_parent *parent = &tree->parents[i];
        if (parent->path != NULL && strlen(parent->path) == length && memcmp(parent->path, path, length) == 0)
            return parent;
    }
    return NULL;
}

/* Keep `fd` (taken over, closed on failure) as the folder at `path`. */
static struct tree_parent *keep_parent(struct archive_tree *tree, const char *path, int fd) {
    struct stat status;
    char *copy = strdup(path);
    if (copy == NULL || fstat(fd, &status) < 0) {
        archive_fail_errno(tree->failure, errno, "open of the parent folder");
        free(copy);
        close(fd);
        return NULL;
    }
    struct tree_parent *slot = &tree->parents[tree->next_slot++ % TREE_CACHED_PARENTS];
    if (slot->path != NULL) {
        free(slot->path);
        close(slot->fd);
    }
    *slot = (struct tree_parent){.path = copy, .fd = fd, .setgid = (status.st_mode & S_ISGID) != 0};
    return slot;
}

static bool is_whiteout(int parent, const char *name) {
    struct stat status;
    return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(0, 0);
}

/* What the topmost lower folder shows at `path`, when that is a folder. */
static int open_lower(const struct archive_tree *tree, const char *path) {
    for (size_t i = 0; i < tree->lower_count; i++) {
        int fd = tree_open(tree->lower[i], path, O_RDONLY | O_DIRECTORY);
        if (fd >= 0) return fd;
        if (errno != ENOENT) return -1;
    }
    return -1;
}

/* Make one missing parent. `path` is its whole name, `name` its last part. */
static int make_parent(struct archive_tree *tree, int above, const char *path, const char *name) {
    bool hidden = false;
    if (tree->lower_unknown)
        return archive_fail(tree->failure, ARCHIVE_NEEDS_PARENTS, "the layer does not bring a parent of it");
    if (mkdirat(above, name, 0755) < 0) {
        if (errno != EEXIST || !is_whiteout(above, name)) {
            if (errno == EEXIST)
                return archive_fail(tree->failure, ARCHIVE_BAD, "a parent of it is a link or no folder in this layer");
            return archive_fail_errno(tree->failure, errno, "mkdir of its parent");
        }
        /* The layer removed the lower folder and made a new one: what it holds below stays hidden. */
        hidden = true;
        if (unlinkat(above, name, 0) < 0 || mkdirat(above, name, 0755) < 0)
            return archive_fail_errno(tree->failure, errno, "mkdir of its parent");
    }
    int fd = tree_open(above, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return archive_fail_errno(tree->failure, errno, "open of its parent");
    int lower = hidden ? -1 : open_lower(tree, path);
    int result = 0;
    if (lower >= 0) result = attributes_copy(lower, fd, tree->failure);
    else if (owners_disk_uid(0) != 0 && fchown(fd, owners_disk_uid(0), owners_disk_gid(0)) < 0)
        result = archive_fail_errno(tree->failure, errno, "chown of its parent");
    if (lower >= 0) close(lower);
    if (hidden && result == 0) result = attributes_set_opaque(fd, tree->failure);
    if (result < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_below(const struct archive_tree *tree, const char *path, int flags) {
    if (tree->base == NULL) return tree_open(tree->root, path, flags);
    char whole[2 * PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", tree->base, path);
    return root_open(tree->whole, whole, flags);
}

int tree_open_made(const struct archive_tree *tree, const char *path) {
    return open_below(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/* Make what is missing of a folder in a whole tree. */
static int make_following(struct archive_tree *tree, const char *path) {
    char whole[2 * PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", tree->base, path);
    int fd = root_make_folder(tree->whole, whole, 0755);
    return fd < 0 ? archive_fail_errno(tree->failure, errno, "mkdir of its parent") : fd;
}

/* Open a folder part by part, making what is missing. */
static int open_making(struct archive_tree *tree, const char *path) {
    char part[PATH_MAX];
    int above = fcntl(tree->root, F_DUPFD_CLOEXEC, 3);
    size_t start = 0;
    while (above >= 0 && path[start] != 0) {
        size_t end = start + strcspn(path + start, "/");
        memcpy(part, path, end);
        part[end] = 0;
        int next = tree_open(above, part + start, O_RDONLY | O_DIRECTORY);
        if (next < 0) next = make_parent(tree, above, part, part + start);
        close(above);
        above = next;
        start = path[end] == 0 ? end : end + 1;
    }
    return above;
}

/* The open of a parent has failed with errno. */
static int make_or_explain(struct archive_tree *tree, const char *path, bool create) {
    if (tree->base != NULL)
        return errno == ENOENT ? make_following(tree, path) : archive_fail_errno(tree->failure, errno, "open of its parent");
    if (errno == ENOENT || (create && errno == ENOTDIR)) return open_making(tree, path);
    if (errno == ELOOP || errno == ENOTDIR)
        return archive_fail(tree->failure, ARCHIVE_BAD, "a parent of it is a link or no folder in this layer");
    return archive_fail_errno(tree->failure, errno, "openat2 of its parent");
}

int tree_locate(struct archive_tree *tree, const char *raw, bool create, struct tree_place *place) {
    if (tree_clean(raw, place->path, tree->failure) < 0) return -1;
    char *slash = strrchr(place->path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - place->path);
    place->name = slash == NULL ? place->path : slash + 1;
    struct tree_parent *parent = cached_parent(tree, place->path, length);
    if (parent == NULL) {
        char above[PATH_MAX];
        memcpy(above, place->path, length);
        above[length] = 0;
        int fd = open_below(tree, above, O_RDONLY | O_DIRECTORY);
        if (fd < 0 && errno == ENOENT && !create) return -ENOENT;
        if (fd < 0) fd = make_or_explain(tree, above, create);
        if (fd < 0) return -1;
        parent = keep_parent(tree, above, fd);
        if (parent == NULL) return -1;
    }
    place->parent = parent->fd;
    place->parent_setgid = parent->setgid;
    return 0;
}

static bool dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Which folders are above the one at hand, the innermost last. */
struct ancestors {
    struct ancestor {
        dev_t device;
        ino_t inode;
    } *list;
    size_t count, room;
};

static int remember(struct ancestors *above, int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0) return -1;
    if (above->count == above->room) {
        size_t room = above->room == 0 ? 16 : above->room * 2;
        struct ancestor *grown = realloc(above->list, room * sizeof *grown);
        if (grown == NULL) return -1;
        above->list = grown;
        above->room = room;
    }
    above->list[above->count++] = (struct ancestor){.device = status.st_dev, .inode = status.st_ino};
    return 0;
}

/* ".." leads elsewhere when somebody moves the folder meanwhile, and from a container's root out of it: then ESTALE. */
static int go_up(struct ancestors *above, int fd) {
    struct stat status;
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return -1;
    const struct ancestor *known = &above->list[--above->count];
    if (fstat(parent, &status) == 0 && status.st_dev == known->device && status.st_ino == known->inode) return parent;
    close(parent);
    errno = ESTALE;
    return -1;
}

/* The folder to go on with: one that is not empty, or the one above once this (taken over) is. */
static int empty_step(struct ancestors *above, int fd, bool *done) {
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return -1;
    }
    int next = -1;
    bool failed = false;
    struct dirent *child;
    while (next < 0 && !failed && (child = readdir(folder)) != NULL) {
        if (dots(child->d_name) || unlinkat(fd, child->d_name, 0) == 0) continue;
        if (unlinkat(fd, child->d_name, AT_REMOVEDIR) == 0) continue;
        next = openat(fd, child->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        failed = next < 0 || remember(above, fd) < 0;
    }
    if (failed && next >= 0) {
        close(next);
        next = -1;
    }
    *done = next < 0 && !failed && above->count == 0;
    if (next < 0 && !failed && !*done) next = go_up(above, fd);
    int error = errno;
    closedir(folder);
    errno = error;
    return next;
}

/*
 * Empty the folder `fd` (taken over) down to itself. No recursion and one open folder at a time, since the archive
 * decides how deep it is: go down into a folder that is not empty, and up again by ".." once it is.
 */
static int empty_folder(struct archive_tree *tree, int fd) {
    struct ancestors above = {0};
    bool done = false;
    while (!done && fd >= 0) fd = empty_step(&above, fd, &done);
    int error = errno;
    free(above.list);
    return done ? 0 : archive_fail_errno(tree->failure, error, "removal of a folder");
}

int tree_remove(struct archive_tree *tree, const struct tree_place *place) {
    if (unlinkat(place->parent, place->name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR) return archive_fail_errno(tree->failure, errno, "removal of the entry it replaces");
    if (unlinkat(place->parent, place->name, AT_REMOVEDIR) == 0) return 1;
    int fd = openat(place->parent, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return archive_fail_errno(tree->failure, errno, "removal of the folder it replaces");
    if (empty_folder(tree, fd) < 0) return -1;
    if (unlinkat(place->parent, place->name, AT_REMOVEDIR) < 0)
        return archive_fail_errno(tree->failure, errno, "removal of the folder it replaces");
    return 1;
}
