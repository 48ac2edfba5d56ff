/*
 * gantry-shim launch STATE_FOLDER: read a plan from stdin, make the process it describes, and stay as its parent.
 * gantry-shim standby PLACEHOLDER: be ready for that, and do it once the folder is told (standby.h).
 * Descriptor 3 is the first control connection. With a number behind the folder that one is, the plan comes from the
 * next, and all below it (stdio and more) may be passed on to the process. The phases of a plan are told in ARCHITECTURE.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adoption.h"
#include "cgroups.h"
#include "cleanup.h"
#include "container.h"
#include "device_filter.h"
#include "exit_record.h"
#include "handoff.h"
#include "launch_dialogue.h"
#include "logfile.h"
#include "modes.h"
#include "netlink_send.h"
#include "oom_watch.h"
#include "owned_network.h"
#include "standby.h"
#include "stdio_open.h"
#include "task.h"
#include "user_namespace.h"

/* Namespaces that clone3 makes; cgroup and time namespaces are entered later by the process itself. */
#define CLONE_KINDS (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUSER)

extern char **environ;

/* First control connection, and where the plan comes from. */
static int control_fd = 3;
static int plan_fd = STDIN_FILENO;

static struct plan plan;
static struct task task;
static struct container container;
static struct made_mount made[PLAN_MAX_OPERATIONS];
static struct failure failure;

/*
 * Run from a read-only mount. The process in the container is at first this very program; through /proc/self/exe it
 * could open the file for writing and so replace what the engine will run next (CVE-2019-5736). A detached clone of
 * the mount, made read-only, refuses that; it has no name and ends with the last process that runs from it.
 */
static int protect_program(char **argv) {
    struct statvfs fs;
    AUTO_FD self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (self < 0 || fstatvfs(self, &fs)) return fail(&failure, "open", "/proc/self/exe");
    if (fs.f_flag & ST_RDONLY) return 0;
    int tree = (int)syscall(SYS_open_tree, self, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0) return fail(&failure, "open_tree", "/proc/self/exe");
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes))
        return fail(&failure, "mount_setattr", "/proc/self/exe");
    syscall(SYS_execveat, tree, "", argv - 1, environ, AT_EMPTY_PATH);
    return fail(&failure, "execveat", "/proc/self/exe");
}

static const char *read_plan(void) {
    uint8_t *bytes = mmap(NULL, PLAN_MAX_BYTES + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) return "no memory for the plan";
    size_t size = 0;
    for (;;) {
        ssize_t got = read(plan_fd, bytes + size, PLAN_MAX_BYTES + 1 - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return "the plan cannot be read";
        if (got == 0) break;
        size += (size_t)got;
    }
    return plan_parse(bytes, size, &plan);
}

/* Nothing of the daemon's stays open for as long as the container lives: its listening sockets for one. */
static void close_others(void) {
    close_range((unsigned)control_fd + 1, ~0u, 0);
}

static const struct operation *find(uint16_t code) {
    return plan_find(&plan, code);
}

static int write_file(const struct operation *op) {
    AUTO_FD fd = open(op->f[0].s, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return op->f[2].u && errno == ENOENT ? 0 : fail(&failure, "open", op->f[0].s);
    if (write(fd, op->f[1].s, op->f[1].n) < 0) return fail(&failure, "write", op->f[0].s);
    return 0;
}

/* The name of a socket is limited to 108 bytes: it is reached through the folder's descriptor, whatever its path. */
static int listen_in_folder(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/proc/self/fd/"};
    append_number(address.sun_path, sizeof address.sun_path, (uint64_t)task.folder);
    append_text(address.sun_path, sizeof address.sun_path, "/shim.sock");
    task.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (task.listener < 0) return fail(&failure, "socket", "");
    mode_t before = umask(0177);
    int bound = bind(task.listener, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound) return fail(&failure, "bind", "shim.sock");
    return listen(task.listener, 64) ? fail(&failure, "listen", "shim.sock") : 0;
}

static int run_host(const struct operation *op) {
    switch (op->code) {
    case OP_DEVICE_FILTER: return device_filter_attach(op, &failure);
    case OP_START_SOCKET: return (container.start_listener = handoff_listen(op->f[0].s, &failure)) < 0 ? -1 : 0;
    case OP_ADOPT: return adoption_prepare(op, &failure);
    case OP_CGROUP_CREATE: return cgroup_create(op, &failure);
    case OP_WRITE_FILE: return write_file(op);
    case OP_OOM_WATCH: oom_watch_begin(op); return 0;
    case OP_LOG_FILE: return logfile_open(op->f[0].s, op->f[1].u, (uint32_t)op->f[2].u) ? fail(&failure, "log file", op->f[0].s) : 0;
    default: return 0;
    }
}

/* argv and envp point into the plan; envp has room for HOME. */
static char **strings(const struct field *list, uint32_t spare) {
    size_t size = (list ? list->n + 1 + spare : 1 + spare) * sizeof(char *);
    char **result = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED) return NULL;
    const char *cursor = list ? list->s : NULL;
    for (uint32_t i = 0; list && i < list->n; i++) {
        const char *string = plan_list_next(&cursor);
        /* execve wants char *const *; the strings are not written to. */
        memcpy(&result[i], &string, sizeof string);
    }
    return result;
}

static int prepare_container(int sync) {
    const struct operation *environment = find(OP_ENVIRONMENT), *exec = find(OP_EXEC);
    container.plan = &plan;
    container.sync = sync;
    container.state_folder = task.folder_path;
    container.made = made;
    container.enters_user_namespace = user_namespace_entered(&plan);
    container.arguments = strings(&exec->f[0], 0);
    container.environment = strings(environment ? &environment->f[0] : NULL, 1);
    container.environment_count = environment ? environment->f[0].n : 0;
    if (!container.arguments || !container.environment) return fail(&failure, "mmap", "arguments");
    return 0;
}

/* Joining a pid namespace only concerns children, so the shim does it for the one child it will have. */
static int collect_clone(struct clone_args *args, int *cgroup) {
    for (uint16_t i = 0; i < plan.count; i++) {
        const struct operation *op = &plan.operations[i];
        failure = (struct failure){.index = i, .code = op->code};
        if (op->code == OP_NAMESPACE_NEW) args->flags |= op->f[0].u & CLONE_KINDS;
        if (op->code == OP_CGROUP_JOIN && op->f[1].u == 2) {
            *cgroup = open(op->f[0].s, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (*cgroup < 0) return fail(&failure, "join cgroup", op->f[0].s);
            args->flags |= CLONE_INTO_CGROUP;
            args->cgroup = (unsigned)*cgroup;
        }
        if (op->code == OP_OWNED_NETWORK && owned_network_enter(op, &failure)) return -1;
        if (op->code == OP_NAMESPACE_JOIN && op->f[0].u == CLONE_NEWPID && !container.is_in_user_namespace) {
            AUTO_FD fd = open(op->f[1].s, O_RDONLY | O_CLOEXEC);
            if (fd < 0) return fail(&failure, "open", op->f[1].s);
            if (setns(fd, CLONE_NEWPID)) return fail(&failure, "setns", op->f[1].s);
        }
    }
    return 0;
}

/* From within a user namespace a process cannot be put into a group of the host's at once. */
static long clone_in_user_namespace(struct clone_args *args, int group) {
    args->flags &= ~(uint64_t)(CLONE_INTO_CGROUP | CLONE_PIDFD);
    long pid = user_namespace_clone(&plan, args, &failure);
    if (pid <= 0) return pid;
    char number[16] = "";
    append_number(number, sizeof number, (uint64_t)pid);
    AUTO_FD members = group < 0 ? -1 : openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    task.pid = (pid_t)pid;
    if (group >= 0 && (members < 0 || write(members, number, strlen(number)) < 0)) return fail(&failure, "join cgroup", "version 2");
    task.pidfd = (int)syscall(SYS_pidfd_open, task.pid, 0);
    return task.pidfd < 0 ? fail(&failure, "pidfd_open", "") : pid;
}

static int clone_container(void) {
    int pair[2];
    struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD, .pidfd = (uint64_t)(uintptr_t)&task.pidfd};
    AUTO_FD cgroup = -1;
    container.is_in_user_namespace = user_namespace_is_shared(&plan);
    if (collect_clone(&args, &cgroup)) return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return fail(&failure, "socketpair", "");
    if (prepare_container(pair[1])) return -1;
    task.sync = pair[0];
    long pid = container.is_in_user_namespace ? clone_in_user_namespace(&args, cgroup) : syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) return container.is_in_user_namespace ? -1 : fail(&failure, "clone3", "");
    if (pid == 0) {
        close(pair[0]);
        close(control_fd);
        close(task.listener);
        container_main(&container);
    }
    task.pid = (pid_t)pid;
    close(pair[1]);
    if (owned_network_leave(&failure)) return -1;
    for (uint16_t i = 0; i < plan.count; i++) {
        if (made[i].tree >= 0) close(made[i].tree);
        if (made[i].above >= 0) close(made[i].above);
    }
    for (int i = 0; i < 3; i++)
        if (container.stdio[i] > STDERR_FILENO) close(container.stdio[i]);
    return 0;
}

/* What the new process would do by itself, were it not in a user namespace. */
static int limit_from_outside(const struct operation *op) {
    int clamped = container.enters_user_namespace ? user_namespace_limit(op, task.pid, &failure) : 0;
    if (clamped != 1) return clamped;
    fail_with(&failure, EPERM, op->code == OP_RLIMIT ? "a hard limit was lowered to the engine's own" : "oom_score_adj cannot go below the engine's own", "");
    send_failure(control_fd, FRAME_WARNING, &failure);
    return 0;
}

static int run_link(const struct operation *op) {
    if (op->code == OP_ID_MAP) return user_namespace_map(op, task.pid, &failure);
    if (op->code == OP_RLIMIT || op->code == OP_OOM_SCORE_ADJ) return limit_from_outside(op);
    if (op->code == OP_NETLINK && op->f[0].u == 0) {
        AUTO_FD fd = netlink_open(op, &failure);
        return fd < 0 ? -1 : netlink_send(fd, op, (uint32_t)task.pid, &failure);
    }
    return 0;
}

/*
 * With its last mount an overlay is synced, and the whole file system below it with it: without this descriptor the end
 * of the process would wait for the disk. It is closed with the shim, when everybody knows of that end.
 */
static void hold_root(void) {
    char path[64] = "/proc/";
    append_number(path, sizeof path, (uint64_t)task.pid);
    append_text(path, sizeof path, "/root");
    (void)open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int launch(void) {
    failure.index = UINT16_MAX;
    if (listen_in_folder() || stdio_open(&plan, &task, &container, &failure)) return -1;
    if (exit_record_reserve(&task)) return fail(&failure, "exit record", task.folder_path);
    for (uint16_t i = 0; i < plan.count; i++) {
        failure = (struct failure){.index = i, .code = plan.operations[i].code};
        if (plan_operation_phase(failure.code) == PHASE_HOST && run_host(&plan.operations[i])) return -1;
    }
    if (user_namespace_mounts(&plan, task.folder_path, made, &failure) || clone_container()) return -1;
    for (uint16_t i = 0; i < plan.count; i++) {
        failure = (struct failure){.index = i, .code = plan.operations[i].code};
        if (run_link(&plan.operations[i])) return -1;
    }
    if (launch_await_ready(&task, &plan, control_fd, &failure)) return -1;
    const struct operation *adopt = find(OP_ADOPT);
    if (adopt && adopt->f[2].u == ADOPT_AT_LAUNCH) return launch_await_runtime(&task, adopt, &failure);
    if (find(OP_ROOTFS_OVERLAY) && !(plan.flags & PLAN_LEAVE)) hold_root();
    if (!(plan.flags & PLAN_LEAVE) || container.start_listener >= 0) return 0;
    return launch_await_executed(&task, &failure);
}

static void undo(void) {
    if (task.pid > 0) {
        kill(task.pid, SIGKILL);
        waitpid(task.pid, NULL, 0);
    }
    cgroup_remove_all();
    if (task.folder >= 0) unlinkat(task.folder, "shim.sock", 0);
}

static void detach_from_daemon(void) {
    setsid();
    prctl(PR_SET_NAME, "gantry-shim", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    /* Whatever the daemon does with its own: a shim that ignores or blocks SIGCHLD would never hear of an end. */
    signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Already here, so that the new process is at no instant open to those whose pid namespace it is born into. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    umask(0022);
    (void)!chdir("/");
}

/* launch FOLDER, or launch FOLDER CONTROL: then all descriptors below CONTROL are meant for the process. */
static int take_arguments(int argc, char **argv) {
    if (argc == 3) {
        control_fd = atoi(argv[2]);
        plan_fd = control_fd + 1;
    }
    return (argc == 2 || argc == 3) && control_fd > STDERR_FILENO ? fcntl(control_fd, F_SETFD, FD_CLOEXEC) : -1;
}

int mode_launch(int argc, char **argv) {
    if (take_arguments(argc, argv)) {
        static const char usage[] = "usage: gantry-shim launch STATE_FOLDER [CONTROL_FD]\n";
        (void)!write(STDERR_FILENO, usage, sizeof usage - 1);
        return 2;
    }
    failure.index = UINT16_MAX;
    fcntl(control_fd, F_SETFD, 0);
    if (protect_program(argv)) {
        send_failure(control_fd, FRAME_FAILED, &failure);
        return 1;
    }
    fcntl(control_fd, F_SETFD, FD_CLOEXEC);
    detach_from_daemon();
    container.start_listener = -1;
    container.title = argv[-1];
    container.title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[-1]);
    task = (struct task){.plan = &plan, .folder_path = argv[1], .sync = -1, .master = -1, .listener = -1, .record = -1};
    if (strcmp(argv[0], "standby") == 0 && (plan_fd = standby_await(control_fd, argv[1], &failure)) < 0) {
        send_failure(control_fd, FRAME_FAILED, &failure);
        return 1;
    }
    const char *refused = read_plan();
    if (!refused) close_others();
    task.folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (refused || task.folder < 0) {
        fail_with(&failure, refused ? EPROTO : errno, refused ? refused : "open", refused ? "" : argv[1]);
        send_failure(control_fd, FRAME_FAILED, &failure);
        return 1;
    }
    if (launch()) {
        undo();
        send_failure(control_fd, FRAME_FAILED, &failure);
        return 1;
    }
    if (plan.flags & PLAN_LEAVE) {
        send_state(control_fd, &task);
        return 0;
    }
    return supervise(&task, control_fd);
}
