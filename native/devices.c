#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounts.h"
#include "rootpath.h"

static int is_same(int fd, mode_t type, dev_t device) {
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && (type == S_IFIFO || st.st_rdev == device);
}

static int keep_existing(int parent, const char *name, mode_t type, dev_t device, const char *path, struct failure *failure) {
    AUTO_FD existing = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (existing < 0) return fail(failure, "device", path);
    /* Of the image's making perhaps: changed or even followed it could be anything, of the host's too. */
    return is_same(existing, type, device) ? 0 : fail_with(failure, EEXIST, "device", path);
}

static int bind_from_host(int root, mode_t type, dev_t device, const char *path, struct failure *failure) {
    const struct operation bind = {.f = {[0] = {.s = path}, [1] = {.s = path}, [6] = {.s = ""}, [7] = {.s = ""}}};
    AUTO_FD source = open(path, O_PATH | O_CLOEXEC);
    if (source < 0) return fail(failure, "device", path);
    if (!is_same(source, type, device)) return fail_with(failure, EPERM, "mknod", path);
    return mount_bind(root, &bind, NULL, failure);
}

/* A node that was made elsewhere; what is there already is covered by it. */
static int attach_node(int root, int tree, const char *path, struct failure *failure) {
    AUTO_FD target = root_make_target(root, path, 0, 0666);
    struct stat st;
    if (target < 0 || fstat(target, &st)) return fail(failure, "device", path);
    if (S_ISDIR(st.st_mode)) return fail_with(failure, EISDIR, "device", path);
    return mount_attach(tree, target, failure, path);
}

int device_make(int root, const struct operation *op, int made_ahead, struct failure *failure) {
    const char *path = op->f[0].s, *name;
    if (made_ahead >= 0) return attach_node(root, made_ahead, path, failure);
    mode_t type = op->f[1].u == 'b' ? S_IFBLK : op->f[1].u == 'p' ? S_IFIFO : S_IFCHR;
    dev_t device = makedev((unsigned)op->f[2].u, (unsigned)op->f[3].u);
    AUTO_FD parent = root_make_parent(root, path, &name);
    if (parent < 0) return fail(failure, "device", path);
    /* The mode as it is asked for, and no chmod(2) afterwards, which would follow a link. */
    mode_t mask = umask(0);
    int made = mknodat(parent, name, type | (mode_t)op->f[4].u, device);
    umask(mask);
    if (made && errno == EEXIST) return keep_existing(parent, name, type, device, path, failure);
    if (made && errno == EPERM) return bind_from_host(root, type, device, path, failure);
    if (made) return fail(failure, "mknod", path);
    if ((op->f[5].u || op->f[6].u) && fchownat(parent, name, (uid_t)op->f[5].u, (gid_t)op->f[6].u, AT_SYMLINK_NOFOLLOW))
        return fail(failure, "chown", path);
    return 0;
}
