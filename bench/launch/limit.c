/*
 * The least that a launch can cost: the system calls of one launch plan, one after another, without a plan to read, paths
 * to resolve safely, a socket to serve or a record to keep. The calls themselves are in operations.inc, which the
 * benchmark writes of the plan that it also gives to the shim.
 *
 * limit ROOT DIGITS: ROOT is a folder to mount the root on, DIGITS seven of them that make the veth's name its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *root;
static char **parameters;
static int pipes[2][2], input, sync_pair[2];

static void die(const char *what) {
    perror(what);
    _exit(1);
}
#define TRY(call) do { if ((long)(call) < 0) die(#call); } while (0)

static const char *inside(const char *path) {
    static char text[4096];
    snprintf(text, sizeof text, "%s%s", root, path);
    return text;
}

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die(path);
    close(fd);
}

/* A batch of messages, each with its acknowledgement; the pid and the veth's own name and index are put in before. */
static void netlink(int protocol, const uint8_t *bytes, size_t size, long pid_at, pid_t pid, long name_at, long index_at) {
    static uint8_t copy[65536];
    uint8_t answer[8192];
    memcpy(copy, bytes, size);
    if (pid_at >= 0) memcpy(copy + pid_at, &pid, 4);
    if (name_at >= 0) memcpy(copy + name_at, parameters[2], 7);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    TRY(fd);
    uint32_t index = 0x10000000u + (uint32_t)strtoul(parameters[2], NULL, 16);
    for (size_t at = 0; at < size;) {
        struct nlmsghdr head;
        memcpy(&head, copy + at, sizeof head);
        head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        memcpy(copy + at, &head, sizeof head);
        /* ifi_index of the veth's own end, here and in what follows about it. */
        if (index_at >= 0) memcpy(copy + at + sizeof head + 4, &index, 4);
        TRY(send(fd, copy + at, head.nlmsg_len, 0));
        TRY(recv(fd, answer, sizeof answer, 0));
        int32_t error;
        memcpy(&error, answer + sizeof head, 4);
        if (error) {
            errno = -error;
            die("netlink");
        }
        at += NLMSG_ALIGN(head.nlmsg_len);
    }
    close(fd);
}

static void attach(int tree, const char *target) {
    TRY(syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
    close(tree);
}

static void make_target(const char *path, int folder) {
    char text[4096];
    snprintf(text, sizeof text, "%s", path);
    for (char *at = text + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(text, 0755);
        *at = '/';
    }
    if (folder) mkdir(path, 0755);
    else close(open(path, O_CREAT | O_CLOEXEC | O_WRONLY, 0644));
}

static int configured(const char *type, const char *source, char *data, unsigned attributes) {
    int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    TRY(fs);
    TRY(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0));
    for (char *option = strtok(data, ","); option; option = strtok(NULL, ",")) {
        char *equals = strchr(option, '=');
        if (equals) *equals++ = 0;
        TRY(syscall(SYS_fsconfig, fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, equals, 0));
    }
    TRY(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
    TRY(tree);
    close(fs);
    return tree;
}

static void mount_one(const char *type, const char *source, const char *target, unsigned attributes, const char *options) {
    char data[1024];
    snprintf(data, sizeof data, "%s", options);
    make_target(inside(target), 1);
    attach(configured(type, source, data, attributes), inside(target));
}

static int clone_tree(const char *path, unsigned recursive, uint64_t attributes, uint64_t propagation) {
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
    TRY(tree);
    struct mount_attr attr = {.attr_set = attributes, .propagation = propagation};
    if (attributes || propagation) TRY(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr));
    return tree;
}

static void bind_one(const char *source, const char *target, unsigned recursive, uint64_t attributes, uint64_t propagation) {
    struct stat st;
    TRY(stat(source, &st));
    make_target(inside(target), S_ISDIR(st.st_mode));
    attach(clone_tree(source, recursive, attributes, propagation), inside(target));
}

static void overlay(const char *const *lower, const char *upper, const char *work) {
    int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    TRY(fs);
    for (; *lower; lower++) TRY(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", *lower, 0));
    TRY(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "upperdir", upper, 0));
    TRY(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "workdir", work, 0));
    TRY(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    TRY(tree);
    close(fs);
    attach(tree, root);
}

static void mask(const char *path) {
    struct stat st;
    if (stat(path, &st)) return;
    if (!S_ISDIR(st.st_mode)) return attach(clone_tree("/dev/null", 0, 0, 0), path);
    char none[1] = "";
    attach(configured("tmpfs", "tmpfs", none, MOUNT_ATTR_RDONLY), path);
}

static void read_only(const char *path) {
    if (access(path, F_OK)) return;
    attach(clone_tree(path, 1, MOUNT_ATTR_RDONLY, 0), path);
}

static void device(const char *path, unsigned mode, unsigned major, unsigned minor) {
    mode_t before = umask(0);
    TRY(mknod(inside(path), mode, makedev(major, minor)));
    umask(before);
}

static void pivot(void) {
    TRY(chdir(root));
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL));
    TRY(umount2(".", MNT_DETACH));
    TRY(chdir("/"));
}

static void filter(const uint8_t *program, size_t size) {
    struct sock_fprog code = {.len = (unsigned short)(size / sizeof(struct sock_filter)), .filter = (void *)(uintptr_t)program};
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code));
}

static void become_user(void) {
    TRY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    gid_t groups[] = {0};
    TRY(setgroups(1, groups));
    TRY(setresgid(0, 0, 0));
    TRY(setresuid(0, 0, 0));
}

static void capabilities(uint64_t kept) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    TRY(syscall(SYS_capget, &head, data));
    for (unsigned long cap = 0; cap < 64; cap++)
        if (!(kept >> cap & 1)) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    for (int i = 0; i < 2; i++) {
        uint32_t part = (uint32_t)(kept >> (32 * i)) & data[i].permitted;
        data[i] = (struct __user_cap_data_struct){part, part, 0};
    }
    TRY(syscall(SYS_capset, &head, data));
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static void await(int fd) {
    char word;
    TRY(read(fd, &word, 1));
}

static void tell(int fd) {
    TRY(write(fd, "", 1));
}

/* host(), link_(pid), container() and CLONE_FLAGS */
#include "operations.inc"

static _Noreturn void container_side(void) {
    setsid();
    umask(0022);
    join();
    await(sync_pair[1]);
    container();
}

static void relay(int fd) {
    char bytes[4096];
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    root = argv[1];
    parameters = argv;
    input = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 2; i++) TRY(pipe2(pipes[i], O_CLOEXEC));
    TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync_pair));
    host();
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD | CLONE_FLAGS, .exit_signal = SIGCHLD, .pidfd = (uint64_t)(uintptr_t)&pidfd};
    into_group(&args);
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    TRY(pid);
    if (pid == 0) container_side();
    close(pipes[0][1]);
    close(pipes[1][1]);
    link_(pid);
    tell(sync_pair[0]);
    int status;
    TRY(waitpid(pid, &status, 0));
    relay(pipes[0][0]);
    relay(pipes[1][0]);
    /* Now the end is heard of; what follows is clean-up on both sides. */
    tell(3);
    remove_groups();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
