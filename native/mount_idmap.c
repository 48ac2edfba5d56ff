#include "mount_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

/* The maps belong to a user namespace, and a user namespace to a process: this one only waits to be killed. */
static _Noreturn void be_namespace(int tell) {
    char self[16] = {0};
    /* Its number as /proc counts, whichever pid namespace this is. */
    if (readlink("/proc/self", self, sizeof self - 1) > 0) (void)!write(tell, self, sizeof self);
    for (;;) pause();
}

static int write_map(const char *process, const char *name, const char *map, size_t size, struct failure *failure) {
    char path[64] = "/proc/";
    append_text(path, sizeof path, process);
    append_text(path, sizeof path, name);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map, size) != (ssize_t)size) return fail(failure, "map owners", path);
    return 0;
}

static int open_namespace(int hear, const char *maps, struct failure *failure) {
    char process[16], path[64] = "/proc/";
    if (read(hear, process, sizeof process) != sizeof process) return fail_with(failure, ECHILD, "map owners", "");
    const char *groups = strchr(maps, '/');
    if (!groups) return fail_with(failure, EINVAL, "map owners", maps);
    if (write_map(process, "/uid_map", maps, (size_t)(groups - maps), failure)) return -1;
    if (write_map(process, "/gid_map", groups + 1, strlen(groups + 1), failure)) return -1;
    append_text(path, sizeof path, process);
    append_text(path, sizeof path, "/ns/user");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fail(failure, "open", path) : fd;
}

int idmap_namespace(const char *maps, struct failure *failure) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC)) return fail(failure, "pipe", "");
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) be_namespace(pair[1]);
    AUTO_FD hear = pair[0];
    close(pair[1]);
    if (pid < 0) return fail(failure, "clone3", "user namespace of a mount");
    int namespace = open_namespace(hear, maps, failure);
    int saved = errno;
    kill((pid_t)pid, SIGKILL);
    waitpid((pid_t)pid, NULL, 0);
    errno = saved;
    return namespace;
}

int mount_idmap(int tree, const char *maps, struct failure *failure) {
    AUTO_FD namespace = idmap_namespace(maps, failure);
    if (namespace < 0) return -1;
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)(unsigned)namespace};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes))
        return fail(failure, "mount_setattr", "owners of a mount");
    return 0;
}

const char *idmap_groups(const char *maps) {
    const char *slash = strchr(maps, '/');
    return slash ? slash + 1 : "";
}

/* Each line of a map is "FROM TO COUNT"; `from` and `to` say which of the first two is looked for and which is given. */
static uint32_t idmap_look_up(const char *map, uint32_t id, size_t from, size_t to) {
    while (*map && *map != '/') {
        uint64_t numbers[3] = {0};
        for (size_t i = 0; i < 3; i++) {
            for (; *map >= '0' && *map <= '9'; map++) numbers[i] = numbers[i] * 10 + (uint64_t)(*map - '0');
            if (*map) map++;
        }
        if (id >= numbers[from] && id - numbers[from] < numbers[2]) return (uint32_t)(numbers[to] + id - numbers[from]);
    }
    return UINT32_MAX;
}

uint32_t idmap_target(const char *map, uint32_t id) {
    return idmap_look_up(map, id, 0, 1);
}

uint32_t idmap_source(const char *map, uint32_t id) {
    return idmap_look_up(map, id, 1, 0);
}
