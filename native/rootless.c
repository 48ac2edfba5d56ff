#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "forward_bind.h"
#include "rootless_ports.h"

/* What the keeper tells who asked for the namespaces. */
struct word {
    int failed;
    struct failure failure;
};

/* When a process began, in ticks since the machine's start: with its number it names one process for good. */
static int began(long pid, unsigned long long *ticks) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size <= 0) return -1;
    text[size] = 0;
    /* The 22nd field of proc_pid_stat(5); the second is in parentheses and may hold anything. */
    const char *at = strrchr(text, ')');
    /* Ended, and only not yet waited for. */
    if (at && (at[2] == 'Z' || at[2] == 'X')) return -1;
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at && sscanf(at, " %llu", ticks) == 1 ? 0 : -1;
}

/* "HOLDER BEGAN KEEPER BEGAN" in FOLDER/holder; 0 when nobody holds the namespaces. */
static long find_holder(int folder) {
    char text[128] = "";
    long pid = 0;
    unsigned long long then = 0, now = 0;
    AUTO_FD fd = openat(folder, "holder", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return 0;
    if (sscanf(text, "%ld %llu", &pid, &then) != 2 || pid <= 0 || began(pid, &now)) return 0;
    return now == then ? pid : 0;
}

static int note_holder(int folder, long holder, struct failure *failure) {
    char text[128];
    unsigned long long holder_began, keeper_began;
    if (began(holder, &holder_began) || began(getpid(), &keeper_began)) return fail(failure, "read", "/proc/PID/stat");
    int length = snprintf(text, sizeof text, "%ld %llu %d %llu\n", holder, holder_began, getpid(), keeper_began);
    AUTO_FD fd = openat(folder, "holder.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, (size_t)length) != length) return fail(failure, "write", "the holder's file");
    return renameat(folder, "holder.new", folder, "holder") ? fail(failure, "rename", "the holder's file") : 0;
}

static int loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) ? -1 : 0;
}

/* sysfs shows the network devices of who mounted it; the control groups below it are the host's as before. */
static int mount_sysfs(struct failure *failure) {
    AUTO_FD groups = (int)syscall(SYS_open_tree, AT_FDCWD, "/sys/fs/cgroup", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) return fail(failure, "mount", "/sys");
    if (groups >= 0 && syscall(SYS_move_mount, groups, "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH))
        return fail(failure, "mount", "/sys/fs/cgroup");
    return 0;
}

static int furnish(const struct rootless *rootless, struct failure *failure) {
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail(failure, "become root of the user namespace", "");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) return fail(failure, "mount propagation", "/");
    if (loopback_up()) return fail(failure, "set up", "the loopback interface");
    if (mount_sysfs(failure)) return -1;
    if (mount(rootless->resolv_conf, "/etc/resolv.conf", NULL, MS_BIND, NULL))
        return fail(failure, "mount", "/etc/resolv.conf");
    return 0;
}

/* Holds the namespaces by being in them, and does nothing else. */
static _Noreturn void hold(const struct rootless *rootless, int sync) {
    struct word word = {0};
    char go;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NAME, "gantry-holder", 0, 0, 0);
    if (read(sync, &go, 1) != 1) _exit(1);
    word.failed = furnish(rootless, &word.failure);
    if (write(sync, &word, sizeof word) != sizeof word || word.failed) _exit(1);
    close(sync);
    for (;;) pause();
}

static int write_text(const char *path, const char *text) {
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

/* Run a program to its end, with its words in FOLDER/network.log or where they were. */
static int run(char *const *args, struct failure *failure) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        execvp(args[0], args);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) return fail(failure, "run", args[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    return fail_with(failure, WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ENOENT : EPERM, args[0], "refused");
}

enum { MOST_NUMBERS = 1024 };

/* One entry anybody may write for himself; more than one only the set-uid programs of the system. */
static int write_map(long pid, const char *kind, const char *numbers, struct failure *failure) {
    char path[64], words[4096], process[24], *args[MOST_NUMBERS + 3];
    int count = 2;
    if (strlen(numbers) >= sizeof words) return fail_with(failure, E2BIG, "id map", kind);
    strcpy(words, numbers);
    snprintf(path, sizeof path, "new%sidmap", kind);
    snprintf(process, sizeof process, "%ld", pid);
    args[0] = path;
    args[1] = process;
    char *rest = words;
    for (char *word; count < MOST_NUMBERS + 2 && (word = strsep(&rest, " ")) != NULL;)
        if (*word) args[count++] = word;
    args[count] = NULL;
    if (count > 5) return run(args, failure);
    if (*kind == 'g') {
        snprintf(path, sizeof path, "/proc/%ld/setgroups", pid);
        if (write_text(path, "deny")) return fail(failure, "write", path);
    }
    snprintf(path, sizeof path, "/proc/%ld/%sid_map", pid, kind);
    return write_text(path, numbers) ? fail(failure, "write", path) : 0;
}

static pid_t start_slirp(const struct rootless *rootless, long holder, int *ready) {
    int pair[2];
    char process[24], number[16];
    if (pipe(pair)) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        signal(SIGPIPE, SIG_DFL);
        close(pair[0]);
        snprintf(process, sizeof process, "%ld", holder);
        snprintf(number, sizeof number, "%d", pair[1]);
        execl(rootless->network_program, "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-ipv6",
              "--ready-fd", number, process, "tap0", (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    *ready = pair[0];
    return pid;
}

/* It leaves for the background when it is ready; this process, its subreaper, gets it back as a child. */
static pid_t start_pasta(const struct rootless *rootless, long holder, struct failure *failure) {
    char process[24], pid_file[PATH_MAX], text[24] = "";
    snprintf(process, sizeof process, "%ld", holder);
    snprintf(pid_file, sizeof pid_file, "%s/pasta.pid", rootless->folder);
    char *args[] = {(char *)(uintptr_t)rootless->network_program, "--config-net", "--no-map-gw", "--quiet", "--pid", pid_file,
                    "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--dns-forward", "10.0.2.3", process, NULL};
    if (run(args, failure)) return -1;
    AUTO_FD fd = open(pid_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return fail(failure, "read", pid_file);
    return (pid_t)strtol(text, NULL, 10);
}

/* Gives the process of the network program; 0 when there is none. */
static pid_t start_network(const struct rootless *rootless, long holder, struct failure *failure) {
    if (strcmp(rootless->network, "none") == 0) return 0;
    if (strcmp(rootless->network, "pasta") == 0) return start_pasta(rootless, holder, failure);
    int ready = -1;
    char byte;
    pid_t pid = start_slirp(rootless, holder, &ready);
    AUTO_FD hear = ready;
    if (pid < 0) return fail(failure, "fork", "slirp4netns");
    if (read(hear, &byte, 1) == 1) return pid;
    return fail_with(failure, ECHILD, "slirp4netns ended; its words are in network.log of", rootless->folder);
}

/* Errors, and what programs say, go to a file: whoever started this may be gone. */
static void leave_caller(int folder) {
    AUTO_FD nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    AUTO_FD log = openat(folder, "network.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    setsid();
    dup2(nothing, STDIN_FILENO);
    dup2(log < 0 ? nothing : log, STDOUT_FILENO);
    dup2(log < 0 ? nothing : log, STDERR_FILENO);
    prctl(PR_SET_NAME, "gantry-keeper", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    (void)!chdir("/");
}

static long clone_holder(const struct rootless *rootless, int *sync, struct failure *failure) {
    int pair[2];
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET, .exit_signal = SIGCHLD};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return fail(failure, "socketpair", "");
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        close(pair[0]);
        hold(rootless, pair[1]);
    }
    close(pair[1]);
    *sync = pair[0];
    return pid < 0 ? fail(failure, "an ordinary user may not make a user namespace here:", "clone3") : pid;
}

/* What the keeper keeps. */
struct kept {
    long holder;
    pid_t network;
    struct rootless_ports ports;
};

static int make_namespaces(const struct rootless *rootless, int folder, struct kept *kept, struct failure *failure) {
    int pair = -1;
    kept->holder = clone_holder(rootless, &pair, failure);
    AUTO_FD sync = pair;
    if (kept->holder < 0) return -1;
    if (write_map(kept->holder, "u", rootless->uids, failure) || write_map(kept->holder, "g", rootless->gids, failure)) return -1;
    struct word word;
    if (write(sync, "g", 1) != 1 || read(sync, &word, sizeof word) != sizeof word)
        return fail_with(failure, ECHILD, "the holder of the namespaces ended", "");
    if (word.failed) {
        *failure = word.failure;
        return -1;
    }
    kept->network = start_network(rootless, kept->holder, failure);
    if (kept->network < 0 || rootless_ports_listen(&kept->ports, rootless->folder, failure)) return -1;
    return note_holder(folder, kept->holder, failure);
}

/* Children that have ended. Returns whether nothing works any more without one of them. */
static int reap(struct kept *kept) {
    pid_t ended;
    /* The network program may have left for the background through a process in between. */
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {
        if (ended == kept->holder || ended == kept->network) return 1;
        if (ended == kept->ports.forwarder) rootless_ports_start(&kept->ports, kept->holder);
    }
    return 0;
}

/* Until a word to end comes, or what everything needs has ended; meanwhile ports are opened for who forwards them. */
static void await_end(struct kept *kept) {
    struct signalfd_siginfo signal;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    AUTO_FD heard = signalfd(-1, &signals, SFD_CLOEXEC);
    rootless_ports_start(&kept->ports, kept->holder);
    /* One may have ended before the signals were blocked. */
    for (int over = heard < 0 || reap(kept); !over;) {
        struct pollfd wanted[2] = {{.fd = heard, .events = POLLIN}, {.fd = kept->ports.channel, .events = POLLIN}};
        if (poll(wanted, 2, -1) < 0) continue;
        if (wanted[1].revents && forward_bind_answer(kept->ports.channel)) {
            close(kept->ports.channel);
            kept->ports.channel = -1;
        }
        if (!wanted[0].revents || read(heard, &signal, sizeof signal) != sizeof signal) continue;
        over = signal.ssi_signo == SIGTERM || reap(kept);
    }
}

/* Outside of the namespaces: parent of who holds them, of the network program and of who forwards ports, until one of the former two or itself is ended. */
static _Noreturn void keep(const struct rootless *rootless, int folder, int tell) {
    struct word word = {0};
    struct kept kept = {.ports = {.listener = -1, .channel = -1}};
    leave_caller(folder);
    word.failed = make_namespaces(rootless, folder, &kept, &word.failure);
    (void)!write(tell, &word, sizeof word);
    close(tell);
    if (word.failed == 0) {
        await_end(&kept);
        unlinkat(folder, "holder", 0);
    }
    const pid_t children[] = {(pid_t)kept.holder, kept.network, kept.ports.forwarder};
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        if (children[i] > 0) kill(children[i], SIGKILL);
    _exit(word.failed != 0);
}

void rootless_close_all_but(int one, int other) {
    unsigned low = (unsigned)(one < other ? one : other), high = (unsigned)(one < other ? other : one);
    if (low > STDERR_FILENO + 1) close_range(STDERR_FILENO + 1, low - 1, 0);
    if (high > low + 1) close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

static int start_keeper(const struct rootless *rootless, int folder, struct failure *failure) {
    int pair[2];
    struct word word;
    if (pipe2(pair, O_CLOEXEC)) return fail(failure, "pipe", "");
    pid_t pid = fork();
    if (pid == 0) {
        /* Neither the lock nor anything of the caller's is kept open for as long as this lives. */
        rootless_close_all_but(folder, pair[1]);
        keep(rootless, folder, pair[1]);
    }
    AUTO_FD hear = pair[0];
    close(pair[1]);
    if (pid < 0) return fail(failure, "fork", "");
    if (read(hear, &word, sizeof word) != sizeof word) return fail_with(failure, ECHILD, "the keeper of the namespaces ended", "");
    if (word.failed) *failure = word.failure;
    return word.failed;
}

int rootless_join(long holder, const char *kind, int flag, struct failure *failure) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/ns/%s", holder, kind);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || setns(fd, flag) ? fail(failure, fd < 0 ? "open" : "setns", path) : 0;
}

int rootless_enter(const struct rootless *rootless, struct failure *failure) {
    AUTO_FD folder = open(rootless->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_FD lock = folder < 0 ? -1 : openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX)) return fail(failure, "lock", rootless->folder);
    if (find_holder(folder) == 0 && start_keeper(rootless, folder, failure)) return -1;
    long holder = find_holder(folder);
    if (holder == 0) return fail_with(failure, ESRCH, "nobody holds the namespaces of", rootless->folder);
    if (rootless_join(holder, "user", CLONE_NEWUSER, failure)) return -1;
    if (rootless_join(holder, "net", CLONE_NEWNET, failure) || rootless_join(holder, "mnt", CLONE_NEWNS, failure)) return -1;
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail(failure, "become root of the user namespace", "");
    return 0;
}
