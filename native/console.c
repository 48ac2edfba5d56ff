#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounts.h"
#include "rootpath.h"

int console_open(int root, const struct operation *stdio, struct failure *failure) {
    int master = root_open(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY);
    struct statfs fs;
    if (master < 0) return fail(failure, "open", "/dev/pts/ptmx");
    int unlock = 0;
    struct winsize size = {.ws_row = (unsigned short)stdio->f[3].u, .ws_col = (unsigned short)stdio->f[4].u};
    /* An image may have put anything at this name; only devpts makes terminals. */
    if (fstatfs(master, &fs) || fs.f_type != DEVPTS_SUPER_MAGIC) {
        fail_with(failure, ENODEV, "not a devpts:", "/dev/pts/ptmx");
    } else if (ioctl(master, TIOCSPTLCK, &unlock)) {
        fail(failure, "unlock", "/dev/pts/ptmx");
    } else if (size.ws_row && ioctl(master, TIOCSWINSZ, &size)) {
        fail(failure, "resize", "/dev/pts/ptmx");
    } else {
        return master;
    }
    close(master);
    return -1;
}

int console_enter(int master, struct failure *failure) {
    AUTO_FD slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) return fail(failure, "open", "the terminal's slave");
    if (ioctl(slave, TIOCSCTTY, 0)) return fail(failure, "ioctl", "TIOCSCTTY");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0) return fail(failure, "dup2", "the terminal");
    return 0;
}

int console_bind(int root, int master, struct failure *failure) {
    unsigned number;
    char path[32] = "dev/pts/";
    if (ioctl(master, TIOCGPTN, &number)) return fail(failure, "ioctl", "TIOCGPTN");
    append_number(path, sizeof path, number);
    AUTO_FD slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    AUTO_FD tree = (int)syscall(SYS_open_tree, root, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (slave < 0 || tree < 0) return fail(failure, "open", path);
    struct stat mine, named;
    if (fstat(slave, &mine) || fstat(tree, &named)) return fail(failure, "stat", path);
    if (mine.st_dev != named.st_dev || mine.st_ino != named.st_ino) return fail_with(failure, ENODEV, "not the terminal:", path);
    AUTO_FD target = root_make_target(root, "dev/console", 0, 0600);
    if (target < 0) return fail(failure, "open", "/dev/console");
    struct stat st;
    if (fstat(target, &st)) return fail(failure, "stat", "/dev/console");
    /* Mounting over a link or a folder of the image's making could cover something else (CVE-2025-52565). */
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) return fail_with(failure, EINVAL, "not a file:", "/dev/console");
    return mount_attach(tree, target, failure, "/dev/console");
}
