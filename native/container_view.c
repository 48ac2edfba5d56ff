#include "container_view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounts.h"
#include "overlay.h"
#include "rootpath.h"
#include "user_namespace.h"

static int clone_mount(int fd, unsigned recursive, struct failure *failure, const char *what) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive;
    int tree = (int)syscall(SYS_open_tree, fd, "", flags);
    if (tree < 0) return fail(failure, "open_tree", what);
    /* What is mounted over it here must not appear anywhere else. */
    struct mount_attr private = {.propagation = MS_PRIVATE};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &private, sizeof private) == 0) return tree;
    fail(failure, "mount_setattr", what);
    close(tree);
    return -1;
}

static int is_mount_point(int fd) {
    struct statx status;
    return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static const char *place_of(const struct operation *op) {
    if (op->code == OP_BIND) return op->f[1].s;
    return op->code == OP_MOUNT || op->code == OP_UNION_PATH ? op->f[2].s : NULL;
}

/* One line of /proc/PID/cgroup for each hierarchy, "NUMBER:CONTROLLERS:PATH"; any of them may be below the group. */
static int is_in_group(int process, const char *group, struct failure *failure) {
    static char text[1 << 16];
    AUTO_FD fd = openat(process, "cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size < 0) return fail(failure, "read", "the control group of the process");
    text[size] = 0;
    size_t length = strlen(group);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        const char *path = strchr(line, ':');
        path = path ? strchr(path + 1, ':') : NULL;
        if (path && strncmp(path + 1, group, length) == 0 && (path[1 + length] == 0 || path[1 + length] == '/')) return 0;
    }
    return fail_with(failure, ESRCH, "the process is none of the container's", group);
}

/* The mount namespace of the very process that is in the group: both are looked up in one open folder of procfs. */
static int open_namespace(const struct view_process *process, struct failure *failure) {
    char path[64] = "/proc/";
    append_text(path, sizeof path, process->pid);
    AUTO_FD folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD namespace = folder < 0 ? -1 : openat(folder, "ns/mnt", O_RDONLY | O_CLOEXEC);
    if (namespace < 0) return fail(failure, "open", path);
    if (is_in_group(folder, process->group, failure)) return -1;
    return fcntl(namespace, F_DUPFD_CLOEXEC, 3);
}

/* Clones of the root alone (trees[0]) and of each place (trees[1 + index]; -1 where nothing is mounted now). */
static int clone_all(const struct plan *plan, int *trees, struct failure *failure) {
    AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return fail(failure, "open", "/");
    if ((trees[0] = clone_mount(root, 0, failure, "/")) < 0) return -1;
    for (uint16_t i = 0; i < plan->count; i++) {
        const char *place = place_of(&plan->operations[i]);
        AUTO_FD there = place ? root_open(root, place, O_PATH) : -1;
        if (there < 0 || !is_mount_point(there)) continue;
        if ((trees[1 + i] = clone_mount(there, AT_RECURSIVE, failure, place)) < 0) return -1;
    }
    return 0;
}

/* Mounts can only be cloned from within their namespace, so this process goes there and comes back. */
static int clone_there(const struct plan *plan, int namespace, int *trees, struct failure *failure) {
    AUTO_FD own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0) return fail(failure, "open", "/proc/self/ns/mnt");
    if (setns(namespace, CLONE_NEWNS)) return fail(failure, "setns", "to the container's mounts");
    int cloned = clone_all(plan, trees, failure);
    if (setns(own, CLONE_NEWNS)) return fail(failure, "setns", "back to the own mounts");
    return cloned;
}

static int attach_all(const struct plan *plan, const char *place, const int *trees, struct failure *failure) {
    int root = trees[0];
    if (syscall(SYS_move_mount, root, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH)) return fail(failure, "move_mount", place);
    for (uint16_t i = 0; i < plan->count; i++) {
        if (trees[1 + i] < 0) continue;
        const char *path = place_of(&plan->operations[i]);
        /* The container goes on: it may have taken the place away by now, and with it the mount. */
        AUTO_FD target = root_open(root, path, O_PATH);
        if (target >= 0 && mount_attach(trees[1 + i], target, failure, path)) return -1;
    }
    return fcntl(root, F_DUPFD_CLOEXEC, 3);
}

static int view_running(const struct plan *plan, const char *place, const struct view_process *process,
                        struct failure *failure) {
    AUTO_FD namespace = open_namespace(process, failure);
    if (namespace < 0) return -1;
    int *trees = malloc((plan->count + 1u) * sizeof *trees);
    if (trees == NULL) return fail(failure, "memory", "for mounts");
    for (uint16_t i = 0; i <= plan->count; i++) trees[i] = -1;
    int root = clone_there(plan, namespace, trees, failure) ? -1 : attach_all(plan, place, trees, failure);
    for (uint16_t i = 0; i <= plan->count; i++)
        if (trees[i] >= 0) close(trees[i]);
    free(trees);
    return root;
}

static int mount_one(int root, const struct operation *op, const struct made_mount *made, struct failure *failure) {
    if (op->code == OP_BIND) return mount_bind(root, op, made, failure);
    /* Layers of an image; any other file system would be new and empty. */
    if (op->code == OP_MOUNT && strcmp(op->f[0].s, "overlay") == 0) return mount_filesystem(root, op, made->tree, failure);
    return 0;
}

static int view_stopped(const struct plan *plan, const struct operation *overlay, struct failure *failure) {
    static struct made_mount made[PLAN_MAX_OPERATIONS];
    /* Any folder is a place to mount in this namespace: what only exists as layers has the topmost of these. */
    const char *layers = overlay->f[0].s;
    const char *place = overlay->f[1].n ? overlay->f[1].s : plan_list_next(&layers);
    if (user_namespace_mounts(plan, place, made, failure)) return -1;
    int tree = made[overlay->index].tree;
    int root = mount_attach_root(tree >= 0 ? tree : overlay_tree(overlay, 0, failure), place, failure);
    int result = root < 0 ? -1 : 0;
    for (uint16_t i = 0; result == 0 && i < plan->count; i++) result = mount_one(root, &plan->operations[i], &made[i], failure);
    if (result == 0 && plan_find(plan, OP_ROOT_READONLY)) result = mount_root_readonly(root, failure);
    if (result == 0 || root < 0) return root;
    close(root);
    return -1;
}

int container_view_open(const struct plan *plan, const struct view_process *process, struct failure *failure) {
    const struct operation *overlay = plan_find(plan, OP_ROOTFS_OVERLAY);
    if (!overlay) return fail_with(failure, EINVAL, "the plan has no root", "");
    /* As a slave: what the host unmounts goes from here too. */
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) return fail(failure, "mount namespace", "");
    int root = process ? view_running(plan, overlay->f[1].s, process, failure) : view_stopped(plan, overlay, failure);
    return root < 0 || user_namespace_enter(plan, failure) ? -1 : root;
}
