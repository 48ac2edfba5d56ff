#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "console.h"
#include "devices.h"
#include "handoff.h"
#include "hooks.h"
#include "init.h"
#include "mounts.h"
#include "overlay.h"
#include "netlink_send.h"
#include "owned_network.h"
#include "process.h"
#include "rootpath.h"
#include "scheduling.h"
#include "user_namespace.h"

/* What the operations share while they run. */
struct state {
    struct container *container;
    int root;
    int master;
    int stdio_done;
    struct identity identity;
    struct failure failure;
    /* who asked for the start, when that was not the shim; else -1 */
    int starter;
};

static struct state state;

static int send_message(int sync, uint32_t kind, const struct failure *failure, int fd) {
    struct sync_message message = {.kind = kind};
    if (failure) message.failure = *failure;
    struct iovec part = {&message, sizeof message};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        head.msg_control = control.bytes;
        head.msg_controllen = sizeof control.bytes;
        struct cmsghdr *item = CMSG_FIRSTHDR(&head);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    return sendmsg(sync, &head, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static _Noreturn void give_up(void) {
    if (state.starter >= 0) handoff_tell(state.starter, &state.failure);
    else (void)send_message(state.container->sync, SYNC_FAILED, &state.failure, -1);
    _exit(127);
}

/* The shim's next word; when it is gone there is nobody left to run for. */
static void await_message(int sync, uint32_t kind) {
    struct sync_message message;
    ssize_t size;
    do size = recv(sync, &message, sizeof message, 0);
    while (size < 0 && errno == EINTR);
    if (size != sizeof message || message.kind != kind) _exit(127);
}

static const struct operation *find(uint16_t code) {
    return plan_find(state.container->plan, code);
}

static int open_console(void) {
    if (state.master >= 0) return 0;
    const struct operation *stdio = find(OP_STDIO);
    state.master = console_open(state.root, stdio, &state.failure);
    if (state.master < 0) return -1;
    return send_message(state.container->sync, SYNC_MASTER, NULL, state.master) ? fail(&state.failure, "send", "the terminal") : 0;
}

/* stdin, stdout and stderr, at the latest moment that a terminal of the container's own devpts allows. */
static int enter_stdio(void) {
    if (state.stdio_done) return 0;
    state.stdio_done = 1;
    const struct operation *stdio = find(OP_STDIO);
    if (stdio && stdio->f[0].u && !find(OP_ADOPT)) return open_console() || console_enter(state.master, &state.failure);
    for (int fd = 0; fd < 3; fd++)
        if (state.container->stdio[fd] != fd && dup2(state.container->stdio[fd], fd) < 0) return fail(&state.failure, "dup2", "stdio");
    return 0;
}

static int make_symlink(const struct operation *op) {
    const char *name;
    AUTO_FD parent = root_make_parent(state.root, op->f[0].s, &name);
    if (parent < 0) return fail(&state.failure, "symlink", op->f[0].s);
    if (symlinkat(op->f[1].s, parent, name) && errno != EEXIST) return fail(&state.failure, "symlink", op->f[0].s);
    return 0;
}

/* The old root is stacked below the new one and let go, so that no folder is needed to put it in. */
static int pivot(void) {
    if (fchdir(state.root)) return fail(&state.failure, "chdir", "the new root");
    if (syscall(SYS_pivot_root, ".", ".")) return fail(&state.failure, "pivot_root", "");
    /* Unmounting it may not reach the host, with which its mounts may be shared. */
    if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL)) return fail(&state.failure, "mount propagation", "the old root");
    if (umount2(".", MNT_DETACH)) return fail(&state.failure, "umount", "the old root");
    if (chdir("/")) return fail(&state.failure, "chdir", "/");
    return 0;
}

static int netlink(const struct operation *op) {
    AUTO_FD fd = netlink_open(op, &state.failure);
    if (fd < 0) return -1;
    return netlink_send(fd, op, (uint32_t)getpid(), &state.failure);
}

/* In a user namespace; whoever calls has all capabilities there already. */
static int become_root(void) {
    if (!state.container->enters_user_namespace) return 0;
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail(&state.failure, "become root of the user namespace", "");
    return 0;
}

/* The place belongs to the ids that the process was born with, so it keeps them until the root is there. */
static int attach_root(const struct operation *op) {
    struct container *container = state.container;
    const char *place = container->state_folder;
    int tree = container->made[op->index].tree;
    if (tree < 0) tree = op->code == OP_ROOTFS_BIND ? mount_bind_tree(op, &state.failure) : overlay_tree(op, 0, &state.failure);
    state.root = mount_attach_root(tree, place, &state.failure);
    if (state.root < 0 || user_namespace_act_as_root(container->plan, &state.failure)) return -1;
    return become_root();
}

static void warn_if(int clamped, const struct operation *op, const char *what) {
    if (clamped != 1) return;
    struct failure warning = {.index = op->index, .code = op->code};
    fail_with(&warning, EPERM, what, "");
    (void)send_message(state.container->sync, SYNC_WARNING, &warning, -1);
}

static int clamping(int result, const struct operation *op, const char *what) {
    warn_if(result, op, what);
    return result < 0 ? -1 : 0;
}

/* HOME from passwd, unless the environment says otherwise. */
static void add_home(void) {
    static char home[PATH_MAX + 8] = "HOME=";
    struct container *container = state.container;
    for (uint32_t i = 0; i < container->environment_count; i++)
        if (strncmp(container->environment[i], "HOME=", 5) == 0) return;
    append_text(home, sizeof home, state.identity.home);
    container->environment[container->environment_count++] = home;
    container->environment[container->environment_count] = NULL;
}

/* Descriptors below are the process's: stdio, and what it was given from 3 on. */
static unsigned first_own(void) {
    const struct operation *inherited = find(OP_STDIO_INHERITED);
    return inherited ? 3 + (unsigned)inherited->f[0].u : 3;
}

/* Also done before a filter is set, which may not know the call: all that is opened after that is marked anyway. */
static int close_on_exec(void) {
    static int done;
    if (close_range(first_own(), ~0u, CLOSE_RANGE_CLOEXEC) && !done) return fail(&state.failure, "close_range", "");
    done = 1;
    return 0;
}

static int await_start(void) {
    struct container *container = state.container;
    if (container->start_listener >= 0) {
        state.starter = handoff_await(container->start_listener);
        if (state.starter < 0) _exit(127);
    } else if (container->plan->flags & PLAN_START_ON_REQUEST) {
        await_message(container->sync, SYNC_START);
    }
    for (uint16_t i = 0; i < container->plan->count; i++) {
        const struct operation *op = &container->plan->operations[i];
        if (op->code != OP_HOOK || op->f[6].u != HOOK_AT_START) continue;
        state.failure = (struct failure){.index = op->index, .code = op->code};
        if (hook_run(op, &state.failure)) return -1;
    }
    return 0;
}

static int execute(void) {
    struct container *container = state.container;
    const struct failure here = state.failure;
    static char path[PATH_MAX];
    if (enter_stdio()) return -1;
    if (state.identity.home[0] == 0) strcpy(state.identity.home, "/");
    add_home();
    if (process_find_program(container->arguments[0], container->environment, path, &state.failure)) return -1;
    if (close_on_exec()) return -1;
    if (!(container->plan->flags & PLAN_LEAVE) && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
        return fail(&state.failure, "prctl", "PR_SET_PDEATHSIG");
    /* A shim that was killed before the line above is told of by nobody but this. */
    if (send_message(container->sync, SYNC_READY, NULL, -1)) _exit(127);
    if (await_start()) return -1;
    state.failure = here;
    if (find(OP_INIT) && init_split(container->title, container->title_size, &state.failure)) return -1;
    /* The shim hears of success by the close of this descriptor at execve. */
    return process_execute(container->arguments, container->environment, &state.failure);
}

/* Programs of the caller's look at what was made so far, before the old root is let go. */
static int await_hooks(void) {
    (void)send_message(state.container->sync, SYNC_HOOKS, NULL, -1);
    await_message(state.container->sync, SYNC_GO);
    return 0;
}

static int run(const struct operation *op) {
    struct failure *failure = &state.failure;
    const struct made_mount *made = &state.container->made[op->index];
    switch (op->code) {
    case OP_NETLINK: return op->f[0].u ? netlink(op) : 0;
    case OP_OWNED_NETWORK: return owned_network_show(state.root, op, failure);
    case OP_MOUNT_PROPAGATION: return mount_propagation(op, failure);
    case OP_ROOTFS_OVERLAY:
    case OP_ROOTFS_BIND: return attach_root(op);
    case OP_MOUNT: return mount_filesystem(state.root, op, made->tree, failure);
    case OP_BIND: return mount_bind(state.root, op, made, failure);
    case OP_DEVICE: return device_make(state.root, op, made->tree, failure);
    case OP_SYMLINK: return make_symlink(op);
    case OP_CONSOLE: return open_console() || console_bind(state.root, state.master, failure);
    case OP_PIVOT_ROOT: return pivot();
    case OP_ROOT_READONLY: return mount_root_readonly(state.root, failure);
    case OP_MASK: return mount_mask(state.root, op, failure);
    case OP_READONLY_PATH: return mount_readonly_path(state.root, op, failure);
    case OP_SYSCTL: return process_sysctl(state.root, op, failure);
    case OP_HOSTNAME: return sethostname(op->f[0].s, op->f[0].n) ? fail(failure, "sethostname", op->f[0].s) : 0;
    case OP_DOMAINNAME: return setdomainname(op->f[0].s, op->f[0].n) ? fail(failure, "setdomainname", op->f[0].s) : 0;
    case OP_RLIMIT:
        if (state.container->enters_user_namespace) return 0;
        return clamping(process_rlimit(op, failure), op, "a hard limit was lowered to the engine's own");
    case OP_OOM_SCORE_ADJ:
        if (state.container->enters_user_namespace) return 0;
        return clamping(process_oom_score(state.root, op, failure), op, "oom_score_adj cannot go below the engine's own");
    case OP_USER: return enter_stdio() || process_user(state.root, op, &state.identity, failure);
    case OP_CAPABILITIES: return process_capabilities(op, failure);
    case OP_NO_NEW_PRIVILEGES: return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? fail(failure, "prctl", "PR_SET_NO_NEW_PRIVS") : 0;
    case OP_SECCOMP: return close_on_exec() || process_seccomp(op, failure) ? -1 : 0;
    case OP_WORKING_DIRECTORY: return process_working_directory(state.root, op, failure);
    case OP_MOUNT_FROM_NAMESPACE: return mount_from_namespace(state.root, op, failure);
    case OP_UNION_PATH: return mount_union_path(state.root, op, failure);
    case OP_TMPFS_COPY_UP: return mount_tmpfs_copy_up(state.root, op, failure);
    case OP_SESSION_KEYRING: return process_session_keyring(op, failure);
    case OP_RUNTIME_HOOKS: return await_hooks();
    case OP_HOOK: return op->f[6].u == HOOK_NOW ? hook_run(op, failure) : 0;
    case OP_TIME_OFFSETS: return process_time_offsets(op, failure);
    case OP_PERSONALITY: return process_personality(op, failure);
    case OP_SCHEDULER: return scheduling_policy(op, failure);
    case OP_IO_PRIORITY: return scheduling_io_priority(op, failure);
    case OP_EXEC: return execute();
    default: return 0;
    }
}

/* Into the cgroups of version 1, and only then into namespaces that are to show them as their roots. */
static int join(const struct operation *op) {
    struct failure *failure = &state.failure;
    if (op->code == OP_CGROUP_JOIN && op->f[1].u == 1) {
        AUTO_FD folder = open(op->f[0].s, O_PATH | O_DIRECTORY | O_CLOEXEC);
        /* "0" is the writer itself, for which the kernel needs no global lock; see ARCHITECTURE.md. */
        AUTO_FD tasks = folder < 0 ? -1 : openat(folder, "tasks", O_WRONLY | O_CLOEXEC);
        if (tasks < 0 || write(tasks, "0", 1) != 1) return fail(failure, "join cgroup", op->f[0].s);
    }
    return 0;
}

static int join_namespace(const struct operation *op) {
    struct failure *failure = &state.failure;
    AUTO_FD fd = open(op->f[1].s, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(failure, "open", op->f[1].s);
    if (setns(fd, (int)op->f[0].u)) return fail(failure, "setns", op->f[1].s);
    return 0;
}

/* The user namespace first, for it decides what else may be joined; the mount namespace last, for paths end there. */
static int join_namespaces(void) {
    static const int order[] = {CLONE_NEWUSER, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWNS};
    const struct plan *plan = state.container->plan;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (uint16_t i = 0; i < plan->count; i++) {
            const struct operation *op = &plan->operations[i];
            state.failure = (struct failure){.index = op->index, .code = op->code};
            if (op->code != OP_NAMESPACE_JOIN || op->f[0].u != (uint64_t)order[k]) continue;
            if (order[k] == CLONE_NEWUSER && state.container->is_in_user_namespace) continue;
            if (join_namespace(op)) return -1;
        }
    return 0;
}

/* Namespaces that clone3 did not make: cgroup after the joins above, time for the program that is executed. */
static int unshare_late(const struct operation *op) {
    if (op->code != OP_NAMESPACE_NEW) return 0;
    if (op->f[0].u != CLONE_NEWCGROUP && op->f[0].u != CLONE_NEWTIME) return 0;
    return unshare((int)op->f[0].u) ? fail(&state.failure, "unshare", "") : 0;
}

static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn void container_main(struct container *container) {
    const struct plan *plan = container->plan;
    state.container = container;
    state.master = -1;
    state.starter = -1;
    /* Nobody in the namespaces about to be joined may look into this process before it has become the program. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    reset_signals();
    setsid();
    umask(0022);
    for (uint16_t i = 0; i < plan->count; i++) {
        state.failure = (struct failure){.index = i, .code = plan->operations[i].code};
        if (join(&plan->operations[i])) give_up();
    }
    if (join_namespaces()) give_up();
    await_message(container->sync, SYNC_GO);
    if (!find(OP_ROOTFS_OVERLAY) && !find(OP_ROOTFS_BIND) && become_root()) give_up();
    state.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct operation *op = &plan->operations[i];
        state.failure = (struct failure){.index = i, .code = op->code};
        if (unshare_late(op) || run(op)) give_up();
    }
    give_up();
}
