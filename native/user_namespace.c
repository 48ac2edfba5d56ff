#include "user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "mount_idmap.h"
#include "mounts.h"
#include "overlay.h"

#define NOWHERE UINT32_MAX

const struct operation *user_namespace_joined(const struct plan *plan) {
    for (uint16_t i = 0; i < plan->count; i++)
        if (plan->operations[i].code == OP_NAMESPACE_JOIN && plan->operations[i].f[0].u == CLONE_NEWUSER)
            return &plan->operations[i];
    return NULL;
}

int user_namespace_entered(const struct plan *plan) {
    return plan_find(plan, OP_ID_MAP) != NULL || user_namespace_joined(plan) != NULL;
}

/* Another runtime puts its process into one by itself, over layers that have its owners already. */
static int has_shifted_root(const struct plan *plan) {
    const struct operation *root = plan_find(plan, OP_ROOTFS_OVERLAY);
    return root != NULL && root->f[4].n > 0;
}

/* Where ids of the namespace are the host's: as the plan makes it, or as the one that is joined has the layers. */
static uint32_t host_uid(const struct plan *plan, uint32_t id) {
    const struct operation *map = plan_find(plan, OP_ID_MAP), *root = plan_find(plan, OP_ROOTFS_OVERLAY);
    return idmap_target(map ? map->f[0].s : root ? root->f[4].s : "", id);
}

static uint32_t host_gid(const struct plan *plan, uint32_t id) {
    const struct operation *map = plan_find(plan, OP_ID_MAP), *root = plan_find(plan, OP_ROOTFS_OVERLAY);
    return idmap_target(map ? map->f[1].s : root ? idmap_groups(root->f[4].s) : "", id);
}

void user_namespace_root(const struct plan *plan, uid_t *uid, gid_t *gid) {
    *uid = host_uid(plan, 0);
    *gid = host_gid(plan, 0);
}

/* The owner of a file that is made is mapped as well, so who makes overlayfs's own has to be among the mapped. */
static int act_as(uint32_t uid, uint32_t gid, struct failure *failure) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    setfsgid(gid);
    setfsuid(uid);
    /* Leaving root behind took the capabilities over files along. */
    if (syscall(SYS_capget, &head, data)) return fail(failure, "capget", "");
    for (int i = 0; i < 2; i++) data[i].effective = data[i].permitted;
    return syscall(SYS_capset, &head, data) ? fail(failure, "capset", "") : 0;
}

static int clone_shifted(const char *folder, const char *maps, struct failure *failure) {
    AUTO_FD tree = (int)syscall(SYS_open_tree, AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return fail(failure, "open_tree", folder);
    if (mount_idmap(tree, maps, failure)) return -1;
    /* Over itself: the paths of what is in it stay as they are. */
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH)) return fail(failure, "move_mount", folder);
    return 0;
}

static int make_root(const struct plan *plan, const struct operation *op, struct failure *failure) {
    if (op->f[4].n == 0) return overlay_tree(op, 0, failure);
    const char *cursor = op->f[5].s;
    for (uint32_t i = 0; i < op->f[5].n; i++)
        if (clone_shifted(plan_list_next(&cursor), op->f[4].s, failure)) return -1;
    uint32_t uid = host_uid(plan, 0), gid = host_gid(plan, 0);
    if (uid == NOWHERE || gid == NOWHERE) return fail_with(failure, EINVAL, "map owners: nobody is root", op->f[4].s);
    int tree = act_as(uid, gid, failure) ? -1 : overlay_tree(op, 0, failure);
    return act_as(geteuid(), getegid(), failure) ? -1 : tree;
}

/* A file system for device nodes, which are then the container root's own, at the place itself. */
static int mount_nodes(const char *place, struct failure *failure) {
    AUTO_FD fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) return fail(failure, "tmpfs", "for devices");
    int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    if (tree < 0) return fail(failure, "fsmount", "tmpfs");
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) == 0) return tree;
    fail(failure, "move_mount", place);
    close(tree);
    return -1;
}

static int make_node(const struct plan *plan, const struct operation *op, int nodes, struct failure *failure) {
    mode_t type = op->f[1].u == 'b' ? S_IFBLK : op->f[1].u == 'p' ? S_IFIFO : S_IFCHR;
    uint32_t uid = host_uid(plan, (uint32_t)op->f[5].u), gid = host_gid(plan, (uint32_t)op->f[6].u);
    if (uid == NOWHERE || gid == NOWHERE) return fail_with(failure, EINVAL, "the owner is not mapped:", op->f[0].s);
    char name[16] = "";
    append_number(name, sizeof name, op->index);
    mode_t mask = umask(0);
    int made = mknodat(nodes, name, type | (mode_t)op->f[4].u, makedev((unsigned)op->f[2].u, (unsigned)op->f[3].u));
    umask(mask);
    if (made) return fail(failure, "mknod", op->f[0].s);
    if (fchownat(nodes, name, uid, gid, AT_SYMLINK_NOFOLLOW)) return fail(failure, "chown", op->f[0].s);
    int tree = (int)syscall(SYS_open_tree, nodes, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return tree < 0 ? fail(failure, "open_tree", op->f[0].s) : tree;
}

static int is_layers(const struct operation *op) {
    return op->code == OP_ROOTFS_OVERLAY || (op->code == OP_MOUNT && strcmp(op->f[0].s, "overlay") == 0);
}

/* What needs mounts of its own while it is made. The devices come last, for they cover the place. */
static int make_covered(const struct plan *plan, const char *place, struct made_mount *made, struct failure *failure) {
    AUTO_FD nodes = -1;
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operations[i];
        if (!is_layers(op)) continue;
        *failure = (struct failure){.index = i, .code = op->code};
        made[i].tree = op->code == OP_MOUNT ? mount_filesystem_tree(op, failure) : make_root(plan, op, failure);
        if (made[i].tree < 0) return -1;
    }
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operations[i];
        if (op->code != OP_DEVICE || host_uid(plan, 0) == NOWHERE) continue;
        *failure = (struct failure){.index = i, .code = op->code};
        if (nodes < 0 && (nodes = mount_nodes(place, failure)) < 0) return -1;
        if ((made[i].tree = make_node(plan, op, nodes, failure)) < 0) return -1;
    }
    return 0;
}

static int make_binds(const struct plan *plan, struct made_mount *made, struct failure *failure) {
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operations[i];
        *failure = (struct failure){.index = i, .code = op->code};
        if (op->code == OP_BIND && mount_bind_source(op, &made[i], failure)) return -1;
        if (op->code == OP_ROOTFS_BIND && (made[i].tree = mount_bind_tree(op, failure)) < 0) return -1;
    }
    return 0;
}

static int may_mount(void) {
    AUTO_FD tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return tree >= 0 || errno != EPERM;
}

int user_namespace_mounts(const struct plan *plan, const char *place, struct made_mount *made, struct failure *failure) {
    for (uint16_t i = 0; i < plan->count; i++) made[i] = (struct made_mount){.tree = -1, .above = -1};
    if ((!user_namespace_entered(plan) && !has_shifted_root(plan)) || !may_mount()) return 0;
    if (make_binds(plan, made, failure)) return -1;
    AUTO_FD own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0) return fail(failure, "open", "/proc/self/ns/mnt");
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return fail(failure, "mount namespace", "");
    int result = make_covered(plan, place, made, failure);
    if (setns(own, CLONE_NEWNS)) return fail(failure, "setns", "back to the own mounts");
    return result;
}

int user_namespace_act_as_root(const struct plan *plan, struct failure *failure) {
    if (user_namespace_entered(plan) || !has_shifted_root(plan)) return 0;
    return act_as(host_uid(plan, 0), host_gid(plan, 0), failure);
}

int user_namespace_enter(const struct plan *plan, struct failure *failure) {
    const struct operation *op = plan_find(plan, OP_ID_MAP);
    char maps[4096] = "";
    if (!op) return 0;
    if (op->f[0].n + op->f[1].n + 2 > sizeof maps) return fail_with(failure, E2BIG, "map owners", "");
    append_text(maps, sizeof maps, op->f[0].s);
    append_text(maps, sizeof maps, "/");
    append_text(maps, sizeof maps, op->f[1].s);
    AUTO_FD namespace = idmap_namespace(maps, failure);
    if (namespace < 0) return -1;
    if (setns(namespace, CLONE_NEWUSER)) return fail(failure, "setns", "user namespace");
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail(failure, "become root of the user namespace", "");
    /* A change of user takes a process its own folder in procfs. */
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ? fail(failure, "prctl", "PR_SET_DUMPABLE") : 0;
}

int user_namespace_is_shared(const struct plan *plan) {
    return user_namespace_joined(plan) != NULL && plan_find(plan, OP_NAMESPACE_NEW) != NULL;
}

static int join(const struct plan *plan, uint64_t kind, struct failure *failure) {
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operations[i];
        if (op->code != OP_NAMESPACE_JOIN || op->f[0].u != kind) continue;
        *failure = (struct failure){.index = i, .code = op->code};
        AUTO_FD fd = open(op->f[1].s, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, (int)kind)) return fail(failure, fd < 0 ? "open" : "setns", op->f[1].s);
    }
    return 0;
}

/* What the one in between says: the number of the new process, or why there is none. */
struct word {
    long pid;
    struct failure failure;
};

long user_namespace_clone(const struct plan *plan, const struct clone_args *args, struct failure *failure) {
    int pair[2];
    struct word word = {.pid = -1};
    if (pipe2(pair, O_CLOEXEC)) return fail(failure, "pipe", "");
    struct clone_args between = {.exit_signal = SIGCHLD};
    long helper = syscall(SYS_clone3, &between, sizeof between);
    if (helper == 0) {
        struct clone_args inner = {.flags = args->flags | CLONE_PARENT};
        if (join(plan, CLONE_NEWUSER, failure) == 0 && join(plan, CLONE_NEWPID, failure) == 0) {
            word.pid = syscall(SYS_clone3, &inner, sizeof inner);
            if (word.pid == 0) return 0;
            if (word.pid < 0) fail(failure, "clone3", "in the user namespace");
        }
        word.failure = *failure;
        (void)!write(pair[1], &word, sizeof word);
        _exit(0);
    }
    AUTO_FD hear = pair[0];
    close(pair[1]);
    if (helper < 0) return fail(failure, "clone3", "");
    ssize_t got;
    do got = read(hear, &word, sizeof word);
    while (got < 0 && errno == EINTR);
    waitpid((pid_t)helper, NULL, 0);
    if (got != sizeof word) return fail_with(failure, ECHILD, "clone3", "in the user namespace");
    if (word.pid < 0) *failure = word.failure;
    return word.pid;
}

static int write_of_process(pid_t pid, const char *name, const char *text) {
    char path[64] = "/proc/";
    append_number(path, sizeof path, (uint64_t)pid);
    append_text(path, sizeof path, name);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

int user_namespace_map(const struct operation *op, pid_t pid, struct failure *failure) {
    if (!op->f[2].u && write_of_process(pid, "/setgroups", "deny")) return fail(failure, "write", "setgroups");
    if (write_of_process(pid, "/uid_map", op->f[0].s)) return fail(failure, "write", "uid_map");
    return write_of_process(pid, "/gid_map", op->f[1].s) ? fail(failure, "write", "gid_map") : 0;
}

static int limit_oom_score(int64_t value, pid_t pid, struct failure *failure) {
    char text[24] = "";
    if (value < 0) append_text(text, sizeof text, "-");
    append_number(text, sizeof text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (write_of_process(pid, "/oom_score_adj", text) == 0) return 0;
    /* Without CAP_SYS_RESOURCE nobody may go below what he has; that is then what the process keeps. */
    return errno == EACCES || errno == EPERM ? 1 : fail(failure, "oom_score_adj", text);
}

int user_namespace_limit(const struct operation *op, pid_t pid, struct failure *failure) {
    if (op->code == OP_OOM_SCORE_ADJ) return limit_oom_score((int64_t)op->f[0].u, pid, failure);
    __rlimit_resource_t resource = (__rlimit_resource_t)op->f[0].u;
    struct rlimit wanted = {.rlim_cur = op->f[1].u, .rlim_max = op->f[2].u}, have;
    if (prlimit(pid, resource, &wanted, NULL) == 0) return 0;
    if (errno != EPERM || prlimit(pid, resource, NULL, &have)) return fail(failure, "prlimit", "");
    if (wanted.rlim_max > have.rlim_max) wanted.rlim_max = have.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
    return prlimit(pid, resource, &wanted, NULL) ? fail(failure, "prlimit", "") : 1;
}
