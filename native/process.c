#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootpath.h"

#define LAST_CAPABILITY 63

static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return (int)syscall(SYS_capset, &head, data);
}

static int get_permitted(uint64_t *permitted) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data)) return -1;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    return 0;
}

/* In a user namespace that an ordinary user has made without newgidmap(1): nobody has more than one group there. */
static int groups_are_denied(int root) {
    char text[8] = "";
    AUTO_FD self = root_open(root, "proc/self", O_PATH | O_DIRECTORY);
    AUTO_FD fd = self < 0 ? -1 : root_open_nolinks(self, "setgroups", O_RDONLY);
    return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strncmp(text, "deny", 4) == 0;
}

int process_user(int root, const struct operation *op, struct identity *identity, struct failure *failure) {
    if (op->f[0].u == 0) {
        identity->uid = (uid_t)op->f[1].u;
        identity->gid = (gid_t)op->f[2].u;
        identity->group_count = op->f[3].n / 4;
        if (identity->group_count > MAX_GROUPS) return fail_with(failure, EINVAL, "setgroups", "too many groups");
        for (size_t i = 0; i < identity->group_count; i++)
            memcpy(&identity->groups[i], op->f[3].s + 4 * i, 4);
        if (identity_find_home(root, identity, failure)) return -1;
    } else {
        if (identity_by_name(root, op->f[4].s, op->f[5].s, identity, failure)) return -1;
        const char *cursor = op->f[6].s;
        for (uint32_t i = 0; i < op->f[6].n; i++)
            if (identity_add_group(root, plan_list_next(&cursor), identity, failure)) return -1;
    }
    /* Docker hands the process's own stdio to it, so that /dev/stdout can be opened again by an ordinary user. */
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && st.st_uid != identity->uid && !S_ISREG(st.st_mode) && st.st_rdev != 0x103)
            (void)fchown(fd, identity->uid, (gid_t)-1);
    }
    if (setgroups(identity->group_count, identity->groups)) {
        int why = errno;
        if (why != EPERM || (identity->group_count > 0 && !groups_are_denied(root))) return fail_with(failure, why, "setgroups", "");
    }
    if (op->f[7].u <= 0777) umask((mode_t)op->f[7].u);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)) return fail(failure, "prctl", "PR_SET_KEEPCAPS");
    if (setresgid(identity->gid, identity->gid, identity->gid)) return fail(failure, "setresgid", "");
    if (setresuid(identity->uid, identity->uid, identity->uid)) return fail(failure, "setresuid", "");
    return 0;
}

int process_capabilities(const struct operation *op, struct failure *failure) {
    uint64_t bounding = op->f[0].u, effective = op->f[1].u, permitted = op->f[2].u, inheritable = op->f[3].u, ambient = op->f[4].u;
    uint64_t have;
    if (get_permitted(&have)) return fail(failure, "capget", "");
    /* After a change of user the permitted set was kept but the effective one cleared. */
    if (set_capabilities(have, have, 0)) return fail(failure, "capset", "to drop others");
    for (unsigned long cap = 0; cap <= LAST_CAPABILITY; cap++) {
        if (bounding >> cap & 1) continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL) return fail(failure, "prctl", "PR_CAPBSET_DROP");
    }
    /* What the engine itself lacks cannot be given on. */
    permitted &= have;
    if (set_capabilities(effective & have, permitted, inheritable & have)) return fail(failure, "capset", "");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) return fail(failure, "prctl", "PR_CAP_AMBIENT_CLEAR_ALL");
    for (unsigned long cap = 0; cap <= LAST_CAPABILITY; cap++)
        if (ambient >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) && errno != EPERM)
            return fail(failure, "prctl", "PR_CAP_AMBIENT_RAISE");
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0)) return fail(failure, "prctl", "PR_SET_KEEPCAPS");
    return 0;
}

int process_rlimit(const struct operation *op, struct failure *failure) {
    __rlimit_resource_t resource = (__rlimit_resource_t)op->f[0].u;
    struct rlimit wanted = {.rlim_cur = op->f[1].u, .rlim_max = op->f[2].u}, have;
    if (setrlimit(resource, &wanted) == 0) return 0;
    if (errno != EPERM || getrlimit(resource, &have)) return fail(failure, "setrlimit", "");
    if (wanted.rlim_max > have.rlim_max) wanted.rlim_max = have.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
    if (setrlimit(resource, &wanted)) return fail(failure, "setrlimit", "");
    return 1;
}

/* A file of the root's procfs, and of nothing that an image has put in its place. */
static int open_proc(int root, const char *folder, const char *path, struct failure *failure) {
    /* Below that folder, wherever the path would lead. */
    AUTO_FD base = root_open(root, folder, O_PATH | O_DIRECTORY);
    int fd = base < 0 ? -1 : root_open_nolinks(base, path, O_WRONLY);
    struct statfs fs;
    if (fd < 0) return fail(failure, "open", path);
    if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC) return fd;
    close(fd);
    return fail_with(failure, EINVAL, "not in procfs:", path);
}

int process_oom_score(int root, const struct operation *op, struct failure *failure) {
    char text[24] = "";
    int64_t value = (int64_t)op->f[0].u;
    if (value < 0) append_text(text, sizeof text, "-");
    append_number(text, sizeof text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    AUTO_FD fd = open_proc(root, "proc/self", "oom_score_adj", failure);
    if (fd < 0) return -1;
    if (write(fd, text, strlen(text)) >= 0) return 0;
    /* Without CAP_SYS_RESOURCE nobody may go below what he has; that is then what the process keeps. */
    return errno == EACCES || errno == EPERM ? 1 : fail(failure, "oom_score_adj", text);
}

int process_seccomp(const struct operation *op, struct failure *failure) {
    if (op->f[0].n == 0 || op->f[0].n % sizeof(struct sock_filter) || op->f[0].n / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return fail_with(failure, EINVAL, "seccomp", "program size");
    /* The program lies in the plan's buffer without alignment. */
    static struct sock_filter instructions[BPF_MAXINSNS];
    memcpy(instructions, op->f[0].s, op->f[0].n);
    struct sock_fprog program = {.len = (unsigned short)(op->f[0].n / sizeof(struct sock_filter)), .filter = instructions};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->f[1].u, &program)) return fail(failure, "seccomp", "");
    return 0;
}

int process_sysctl(int root, const struct operation *op, struct failure *failure) {
    char path[512] = "";
    if (op->f[0].n >= sizeof path) return fail_with(failure, ENAMETOOLONG, "sysctl", op->f[0].s);
    append_text(path, sizeof path, op->f[0].s);
    if (!strchr(path, '/'))
        for (char *at = path; *at; at++)
            if (*at == '.') *at = '/';
    AUTO_FD fd = open_proc(root, "proc/sys", path, failure);
    if (fd < 0) return -1;
    if (write(fd, op->f[1].s, op->f[1].n) < 0) return fail(failure, "write sysctl", op->f[0].s);
    return 0;
}

int process_time_offsets(const struct operation *op, struct failure *failure) {
    AUTO_FD fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail(failure, "open", "/proc/self/timens_offsets");
    return write(fd, op->f[0].s, op->f[0].n) < 0 ? fail(failure, "write", "/proc/self/timens_offsets") : 0;
}

int process_personality(const struct operation *op, struct failure *failure) {
    return personality((unsigned long)op->f[0].u) < 0 ? fail(failure, "personality", "") : 0;
}

int process_session_keyring(const struct operation *op, struct failure *failure) {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op->f[0].s) >= 0) return 0;
    /* A kernel without keys has none to keep apart. */
    return errno == ENOSYS ? 0 : fail(failure, "join session keyring", op->f[0].s);
}

int process_working_directory(int root, const struct operation *op, struct failure *failure) {
    const char *path = op->f[0].s;
    AUTO_FD folder = op->f[1].u ? root_make_folder(root, path, 0755) : root_open(root, path, O_PATH | O_DIRECTORY);
    if (folder < 0) return fail(failure, "chdir to cwd", path);
    if (fchdir(folder)) return fail(failure, "chdir to cwd", path);
    /* A working directory outside the root would be a way out of the container (CVE-2024-21626). */
    char now[PATH_MAX];
    if (syscall(SYS_getcwd, now, sizeof now) < 0 || now[0] != '/')
        return fail_with(failure, EPERM, "the working directory is outside of the root:", path);
    return 0;
}

static const char *path_of(char **environment) {
    for (; *environment; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int check_program(const char *path) {
    struct stat st;
    if (stat(path, &st)) return -1;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    /* Not faccessat(2) with AT_EACCESS: a filter older than its newest form would refuse it. All ids are the same by now. */
    return access(path, X_OK);
}

int process_find_program(const char *name, char **environment, char *path, struct failure *failure) {
    if (strlen(name) >= PATH_MAX) return fail_with(failure, ENAMETOOLONG, "exec", name);
    if (strchr(name, '/')) {
        strcpy(path, name);
        return check_program(path) ? fail(failure, "exec", name) : 0;
    }
    const char *folders = path_of(environment);
    while (*name && folders) {
        size_t length = strcspn(folders, ":");
        path[0] = 0;
        if (length > 0 && length + strlen(name) + 2 < PATH_MAX) {
            memcpy(path, folders, length);
            path[length] = 0;
            append_text(path, PATH_MAX, "/");
            append_text(path, PATH_MAX, name);
            if (path[0] == '/' && check_program(path) == 0) return 0;
        }
        folders = folders[length] ? folders + length + 1 : NULL;
    }
    return fail_with(failure, ENOENT, "exec in $PATH", name);
}

int process_execute(char **arguments, char **environment, struct failure *failure) {
    static char path[PATH_MAX];
    if (process_find_program(arguments[0], environment, path, failure)) return -1;
    execve(path, arguments, environment);
    return fail(failure, "exec", arguments[0]);
}
