#include "project_quota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* quotactl_fd(2); the same number on all architectures. */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

/* The unit of limits in struct if_dqblk (quotactl(2)). */
#define LIMIT_UNIT UINT64_C(1024)

#define DEVICE_PATH 4096

static int is_device(const char *path, dev_t device) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == device;
}

/*
 * The special file of a mounted block device: where udev(7) has it, or else as it was mounted (proc(5), mountinfo). Blanks in
 * such a path are written as octal numbers there and not found.
 */
static int find_device(dev_t device, char path[DEVICE_PATH]) {
    snprintf(path, DEVICE_PATH, "/dev/block/%u:%u", major(device), minor(device));
    if (is_device(path, device)) return 0;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts) return -1;
    static char line[3 * DEVICE_PATH];
    int found = 0;
    while (!found && fgets(line, sizeof line, mounts)) {
        const char *source = strstr(line, " - ");
        found = source && sscanf(source, " - %*s %4095s", path) == 1 && is_device(path, device);
    }
    fclose(mounts);
    if (found) return 0;
    errno = ENODEV;
    return -1;
}

/* By the descriptor, or before Linux 5.14 by the device. */
static int quota_call(int folder, unsigned command, uint32_t id, void *data) {
    unsigned whole = (unsigned)QCMD(command, PRJQUOTA);
    if (syscall(SYS_quotactl_fd, folder, whole, id, data) == 0) return 0;
    if (errno != ENOSYS) return -1;
    char device[DEVICE_PATH];
    struct stat status;
    if (fstat(folder, &status) || find_device(status.st_dev, device)) return -1;
    return (int)syscall(SYS_quotactl, whole, device, id, data);
}

int quota_state(int folder, enum quota_state *state) {
    struct fs_quota_statv flags = {.qs_version = FS_QSTATV_VERSION1};
    *state = QUOTA_ABSENT;
    if (quota_call(folder, Q_XGETQSTATV, 0, &flags)) {
        /* Of a kernel without quotas, a file system without, one where they are off; and of one that has no device. */
        return errno == ENOSYS || errno == ENODEV || errno == EINVAL ? 0 : -1;
    }
    if (flags.qs_flags & FS_QUOTA_PDQ_ACCT) *state = flags.qs_flags & FS_QUOTA_PDQ_ENFD ? QUOTA_ENFORCED : QUOTA_COUNTED;
    return 0;
}

int quota_first_unused(int folder, uint32_t first, uint32_t *unused) {
    for (*unused = first;; (*unused)++) {
        struct if_nextdqblk next = {0};
        if (quota_call(folder, Q_GETNEXTQUOTA, *unused, &next)) return errno == ENOENT ? 0 : -1;
        int is_empty = !next.dqb_bhardlimit && !next.dqb_bsoftlimit && !next.dqb_ihardlimit && !next.dqb_isoftlimit &&
                       !next.dqb_curspace && !next.dqb_curinodes;
        if (next.dqb_id != *unused || is_empty) return 0;
        if (*unused == UINT32_MAX) {
            errno = EDQUOT;
            return -1;
        }
    }
}

int quota_limit(int folder, uint32_t project, uint64_t bytes) {
    struct if_dqblk limits = {.dqb_valid = QIF_BLIMITS};
    limits.dqb_bhardlimit = bytes / LIMIT_UNIT + (bytes % LIMIT_UNIT != 0);
    limits.dqb_bsoftlimit = limits.dqb_bhardlimit;
    return quota_call(folder, Q_SETQUOTA, project, &limits);
}

int quota_use(int folder, uint32_t project, struct quota_use *use) {
    struct if_dqblk found = {0};
    *use = (struct quota_use){0};
    /* xfs has no record of a project that nothing was ever counted with. */
    if (quota_call(folder, Q_GETQUOTA, project, &found)) return errno == ENOENT ? 0 : -1;
    use->limit_bytes = found.dqb_bhardlimit * LIMIT_UNIT;
    use->used_bytes = found.dqb_curspace;
    return 0;
}

int quota_assign(int folder, uint32_t project) {
    struct fsxattr attributes;
    if (ioctl(folder, FS_IOC_FSGETXATTR, &attributes)) return -1;
    attributes.fsx_projid = project;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(folder, FS_IOC_FSSETXATTR, &attributes);
}
