#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "copy_up.h"
#include "mount_idmap.h"
#include "overlay.h"
#include "rootpath.h"

static int sys_fsconfig(int fs, unsigned command, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static int sys_open_tree(int at, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, at, path, flags);
}

static int set_attributes(int tree, uint64_t attributes, uint64_t propagation, unsigned recursive) {
    struct mount_attr attr = {.attr_set = attributes, .propagation = propagation};
    if (attributes & MOUNT_ATTR__ATIME) attr.attr_clr = MOUNT_ATTR__ATIME;
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr);
}

int mount_attach(int tree, int target, struct failure *failure, const char *subject) {
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    if (syscall(SYS_move_mount, tree, "", target, "", flags)) return fail(failure, "move_mount", subject);
    return 0;
}

int mount_propagation(const struct operation *op, struct failure *failure) {
    if (mount(NULL, "/", NULL, (unsigned long)op->f[0].u, NULL)) return fail(failure, "mount propagation", "/");
    return 0;
}

int mount_options_each(const char *options, take_option take, void *to, struct failure *failure) {
    char one[4096];
    while (*options) {
        size_t length = strcspn(options, ",");
        if (length >= sizeof one) return fail_with(failure, ENAMETOOLONG, "mount option", options);
        memcpy(one, options, length);
        one[length] = 0;
        options += length + (options[length] == ',');
        if (length == 0) continue;
        char *equals = strchr(one, '=');
        if (equals) *equals = 0;
        if (take(to, one, equals ? equals + 1 : NULL, failure)) return -1;
    }
    return 0;
}

/* One option of a file system being configured, whose descriptor `to` points to. */
static int configure(void *to, const char *key, const char *value, struct failure *failure) {
    if (sys_fsconfig(*(int *)to, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value)) return fail(failure, "mount option", key);
    return 0;
}

int mount_surrounding_private(const char *place, struct failure *failure) {
    char path[4096] = "";
    append_text(path, sizeof path, place);
    for (;;) {
        if (mount(NULL, path[0] ? path : "/", NULL, MS_PRIVATE, NULL) == 0) return 0;
        /* Not a mount point: the one above it is meant. */
        if (errno != EINVAL || path[0] == 0) return fail(failure, "make the mount private around", place);
        *strrchr(path, '/') = 0;
    }
}

int mount_attach_root(int tree, const char *place, struct failure *failure) {
    if (tree < 0) return -1;
    if (mount_surrounding_private(place, failure) == 0) {
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) == 0) return tree;
        fail(failure, "move_mount of the root to", place);
    }
    close(tree);
    return -1;
}

int mount_bind_tree(const struct operation *op, struct failure *failure) {
    int tree = sys_open_tree(AT_FDCWD, op->f[0].s, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) return fail(failure, "open_tree", op->f[0].s);
    /* A clone is a peer of what it was cloned from: what is mounted in it would be mounted in the host's folder too. */
    if (set_attributes(tree, 0, MS_PRIVATE, AT_RECURSIVE)) {
        fail(failure, "mount propagation", op->f[0].s);
        close(tree);
        return -1;
    }
    return tree;
}

int mount_filesystem_tree(const struct operation *op, struct failure *failure) {
    const char *type = op->f[0].s, *source = op->f[1].s, *path = op->f[2].s;
    if (strcmp(type, "overlay") == 0) return overlay_tree(op, op->f[3].u, failure);
    AUTO_FD fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    if (fs < 0) return fail(failure, "fsopen", type);
    if (source[0] && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source)) return fail(failure, "mount source", source);
    if (mount_options_each(op->f[4].s, configure, &fs, failure)) return -1;
    if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL)) return fail(failure, type, path);
    int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)op->f[3].u);
    return tree < 0 ? fail(failure, "fsmount", type) : tree;
}

int mount_filesystem(int root, const struct operation *op, int made, struct failure *failure) {
    const char *path = op->f[2].s;
    AUTO_FD target = root_make_folder(root, path, op->f[5].u ? (mode_t)op->f[5].u : 0755);
    if (target < 0) return fail(failure, "mount target", path);
    AUTO_FD tree = made >= 0 ? made : mount_filesystem_tree(op, failure);
    return tree < 0 ? -1 : mount_attach(tree, target, failure, path);
}

int mount_tmpfs_copy_up(int root, const struct operation *op, struct failure *failure) {
    const char *path = op->f[0].s;
    AUTO_FD target = root_make_folder(root, path, 0755);
    if (target < 0) return fail(failure, "mount target", path);
    AUTO_FD fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0) return fail(failure, "fsopen", "tmpfs");
    if (mount_options_each(op->f[2].s, configure, &fs, failure)) return -1;
    if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL)) return fail(failure, "tmpfs", path);
    AUTO_FD tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    if (tree < 0) return fail(failure, "fsmount", "tmpfs");
    if (copy_up(target, tree, -1)) return fail(failure, "copy into tmpfs", path);
    if (op->f[1].u && set_attributes(tree, op->f[1].u, 0, 0)) return fail(failure, "mount_setattr", path);
    return mount_attach(tree, target, failure, path);
}

/*
 * A path in a mount that is nowhere yet. Kernels before 6.15 clone only what is in a mount namespace, so it is put on the
 * root for as long as that takes; look-ups that begin at the root's descriptor do not meet it there.
 */
static int clone_path_in(int tree, int root, const char *path, struct failure *failure) {
    if (mount_attach(tree, root, failure, path)) return -1;
    AUTO_FD found = root_open(tree, path, O_PATH);
    int clone = found < 0 ? -1 : sys_open_tree(found, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (clone < 0) fail(failure, "path in the source", path);
    char place[64] = "/proc/self/fd/";
    append_number(place, sizeof place, (uint64_t)tree);
    if (umount2(place, MNT_DETACH) == 0) return clone;
    fail(failure, "umount2", path);
    if (clone >= 0) close(clone);
    return -1;
}

int mount_union_path(int root, const struct operation *op, struct failure *failure) {
    const char *below = op->f[1].s, *path = op->f[2].s;
    AUTO_FD whole = overlay_tree(op, op->f[3].u, failure);
    if (whole < 0) return -1;
    AUTO_FD tree = clone_path_in(whole, root, below, failure);
    if (tree < 0) return -1;
    struct stat st;
    if (fstat(tree, &st)) return fail(failure, "stat", below);
    AUTO_FD target = root_make_target(root, path, S_ISDIR(st.st_mode), S_ISDIR(st.st_mode) ? 0755 : 0644);
    if (target < 0) return fail(failure, "mount target", path);
    return mount_attach(tree, target, failure, path);
}

/* What is to be bound, or a path in it: that is a container's to fill, so no link in it leads out. */
static int clone_source(const struct operation *op, struct failure *failure) {
    const char *source = op->f[0].s, *below = op->f[6].s;
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (op->f[2].u ? AT_RECURSIVE : 0);
    if (!below || !below[0]) {
        int tree = sys_open_tree(AT_FDCWD, source, flags);
        return tree < 0 ? fail(failure, "bind source", source) : tree;
    }
    AUTO_FD folder = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD found = folder < 0 ? -1 : root_open(folder, below, O_PATH);
    int tree = found < 0 ? -1 : sys_open_tree(found, "", flags | AT_EMPTY_PATH);
    return tree < 0 ? fail(failure, "path in the source", below) : tree;
}

int mount_bind_source(const struct operation *op, struct made_mount *made, struct failure *failure) {
    made->above = -1;
    made->tree = clone_source(op, failure);
    if (made->tree < 0 || (op->f[7].n > 0 && mount_idmap(made->tree, op->f[7].s, failure))) return -1;
    if (!op->f[5].u) return 0;
    /* Whoever fills it locks the folder above. */
    AUTO_FD folder = open(op->f[0].s, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    made->above = folder < 0 ? -1 : openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return made->above < 0 && errno != ENOTDIR ? fail(failure, "open", op->f[0].s) : 0;
}

int mount_bind(int root, const struct operation *op, const struct made_mount *made, struct failure *failure) {
    const char *source = op->f[0].s, *path = op->f[1].s;
    struct made_mount own = {.tree = -1, .above = -1};
    int failed = made && made->tree >= 0 ? 0 : mount_bind_source(op, &own, failure);
    AUTO_FD tree = failed || own.tree >= 0 ? own.tree : made->tree;
    AUTO_FD above = failed || own.tree >= 0 ? own.above : made->above;
    if (failed) return -1;
    struct stat st;
    if (fstat(tree, &st)) return fail(failure, "stat", source);
    int folder = S_ISDIR(st.st_mode);
    /* What the image does not have is not copied into a volume, nor are the owner and mode of its place. */
    AUTO_FD present = op->f[5].u ? root_open(root, path, O_PATH) : -1;
    AUTO_FD target = root_make_target(root, path, folder, folder ? 0755 : 0644);
    if (target < 0) return fail(failure, "bind target", path);
    struct stat at;
    if (fstat(target, &at)) return fail(failure, "stat", path);
    if (S_ISDIR(at.st_mode) != folder) return fail_with(failure, ENOTDIR, "bind", path);
    if (present >= 0 && folder && copy_up(target, tree, above)) return fail(failure, "copy into volume", path);
    uint64_t attributes = op->f[3].u & ~PLAN_ATTR_RECURSIVE;
    unsigned attributes_recursive = op->f[3].u & PLAN_ATTR_RECURSIVE ? AT_RECURSIVE : 0;
    if (op->f[4].u && set_attributes(tree, 0, op->f[4].u & ~(uint64_t)MS_REC, op->f[4].u & MS_REC ? AT_RECURSIVE : 0))
        return fail(failure, "mount propagation", path);
    if (attributes && set_attributes(tree, attributes, 0, attributes_recursive)) return fail(failure, "mount_setattr", path);
    return mount_attach(tree, target, failure, path);
}

/* A mount can only be cloned from within its own namespace, so this process goes there and comes back. */
static int clone_in_namespace(int namespace, const char *path, struct failure *failure) {
    AUTO_FD own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0) return fail(failure, "open", "/proc/self/ns/mnt");
    if (setns(namespace, CLONE_NEWNS)) return fail(failure, "setns", "to the other container's mounts");
    AUTO_FD there = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD source = there < 0 ? -1 : root_open(there, path, O_PATH | O_DIRECTORY);
    int tree = source < 0 ? -1 : sys_open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0) fail(failure, "shared mount", path);
    if (setns(own, CLONE_NEWNS)) {
        fail(failure, "setns", "back to the own mounts");
        if (tree >= 0) close(tree);
        return -1;
    }
    return tree;
}

int mount_from_namespace(int root, const struct operation *op, struct failure *failure) {
    AUTO_FD namespace = open(op->f[0].s, O_RDONLY | O_CLOEXEC);
    if (namespace < 0) return fail(failure, "open", op->f[0].s);
    AUTO_FD tree = clone_in_namespace(namespace, op->f[1].s, failure);
    if (tree < 0) return -1;
    AUTO_FD target = root_make_folder(root, op->f[2].s, 0755);
    if (target < 0) return fail(failure, "mount target", op->f[2].s);
    return mount_attach(tree, target, failure, op->f[2].s);
}

int mount_root_readonly(int root, struct failure *failure) {
    if (set_attributes(root, MOUNT_ATTR_RDONLY, 0, 0)) return fail(failure, "mount_setattr", "/");
    return 0;
}

/*
 * /dev/null of the container, proven to be the device: an image or a racing process that put something else in its
 * place would get that mounted over the files to hide (CVE-2025-31133).
 */
static int clone_null_device(int root) {
    int tree = sys_open_tree(root, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    struct stat st;
    if (tree < 0) return -1;
    if (fstat(tree, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return tree;
    close(tree);
    errno = ENODEV;
    return -1;
}

/* One empty read-only tmpfs serves all masked folders of a container: every mask is a clone of the first mount. */
static int clone_empty_folder(void) {
    static int first = -1;
    if (first < 0) {
        AUTO_FD fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
        if (fs < 0 || sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs") ||
            sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL))
            return -1;
        first = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
        return first < 0 ? -1 : fcntl(first, F_DUPFD_CLOEXEC, 0);
    }
    int tree = sys_open_tree(first, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    return tree;
}

int mount_mask(int root, const struct operation *op, struct failure *failure) {
    const char *path = op->f[0].s;
    AUTO_FD target = root_open_nolinks(root, path, O_PATH);
    if (target < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail(failure, "mask", path);
    struct stat st;
    if (fstat(target, &st)) return fail(failure, "stat", path);
    AUTO_FD cover = S_ISDIR(st.st_mode) ? clone_empty_folder() : clone_null_device(root);
    if (cover < 0) return fail(failure, "mask", path);
    return mount_attach(cover, target, failure, path);
}

int mount_readonly_path(int root, const struct operation *op, struct failure *failure) {
    const char *path = op->f[0].s;
    AUTO_FD target = root_open_nolinks(root, path, O_PATH);
    if (target < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail(failure, "read-only path", path);
    AUTO_FD tree = sys_open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0) return fail(failure, "open_tree", path);
    if (set_attributes(tree, MOUNT_ATTR_RDONLY, 0, AT_RECURSIVE)) return fail(failure, "mount_setattr", path);
    return mount_attach(tree, target, failure, path);
}
