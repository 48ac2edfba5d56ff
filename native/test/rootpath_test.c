#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rootpath.h"
#include "check.h"

static int root;

/* "outside" lies beside the root; nothing may ever reach it. */
static void begin(void) {
    CHECK_NUMBER(mkdir("root", 0755), 0);
    CHECK_NUMBER(mkdir("outside", 0755), 0);
    test_write("outside/secret", "secret", 6);
    root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
}

static int is_outside(int fd) {
    struct stat found, outside, secret;
    CHECK_NUMBER(fstat(fd, &found), 0);
    CHECK_NUMBER(stat("outside", &outside), 0);
    CHECK_NUMBER(stat("outside/secret", &secret), 0);
    return found.st_ino == outside.st_ino || found.st_ino == secret.st_ino;
}

TEST(rootpath_links_and_dots_stay_inside) {
    char absolute[512];
    begin();
    CHECK(getcwd(absolute, sizeof absolute - 32) != NULL);
    strcat(absolute, "/outside");
    CHECK_NUMBER(symlink("../outside", "root/relative"), 0);
    CHECK_NUMBER(symlink(absolute, "root/absolute"), 0);
    CHECK_NUMBER(symlink("../../../../../../../../../../..", "root/up"), 0);
    static const char *const paths[] = {"relative", "relative/secret", "absolute", "absolute/secret", "../outside", "/../outside/secret", "a/../../outside"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        errno = 0;
        CHECK_NUMBER(root_open(root, paths[i], O_PATH), -1);
        CHECK_NUMBER(errno, ENOENT);
    }
    int up = root_open(root, "up", O_PATH);
    struct stat here, top;
    CHECK_NUMBER(fstat(up, &here), 0);
    CHECK_NUMBER(fstat(root, &top), 0);
    CHECK_NUMBER(here.st_ino, top.st_ino);
    close(up);
}

TEST(rootpath_descriptors_are_closed_on_exec) {
    begin();
    int fd = root_open(root, "/", O_PATH);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

TEST(rootpath_magic_links_are_refused) {
    int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_NUMBER(root_open(slash, "proc/self/exe", O_RDONLY), -1);
    CHECK_NUMBER(errno, ELOOP);
    CHECK_NUMBER(root_open(slash, "proc/self/cwd", O_PATH), -1);
    close(slash);
}

TEST(rootpath_without_links) {
    begin();
    CHECK_NUMBER(mkdir("root/folder", 0755), 0);
    CHECK_NUMBER(symlink("folder", "root/link"), 0);
    CHECK_NUMBER(root_open_nolinks(root, "link", O_PATH), -1);
    CHECK_NUMBER(errno, ELOOP);
    CHECK_NUMBER(root_open_nolinks(root, "link/x", O_PATH), -1);
    CHECK_NUMBER(errno, ELOOP);
    int fd = root_open_nolinks(root, "/folder/../folder", O_PATH);
    CHECK(fd >= 0);
    close(fd);
}

TEST(rootpath_folders_are_made_inside) {
    struct stat st;
    begin();
    CHECK_NUMBER(symlink("/../outside", "root/escape"), 0);
    CHECK_NUMBER(symlink("inside", "root/link"), 0);
    CHECK_NUMBER(mkdir("root/inside", 0755), 0);
    int fd = root_make_folder(root, "//a/./b//c/", 0700);
    CHECK(fd >= 0);
    close(fd);
    CHECK_NUMBER(stat("root/a/b/c", &st), 0);
    fd = root_make_folder(root, "link/new", 0755);
    CHECK(fd >= 0);
    close(fd);
    CHECK_NUMBER(stat("root/inside/new", &st), 0);
    fd = root_make_folder(root, "../../x/../y", 0755);
    if (fd >= 0) close(fd);
    CHECK_NUMBER(stat("x", &st), -1);
    CHECK_NUMBER(stat("y", &st), -1);
    /* The target of the link does not exist inside, and outside it is not looked for. */
    fd = root_make_folder(root, "escape/new", 0755);
    if (fd >= 0) CHECK(!is_outside(fd)), close(fd);
    CHECK_NUMBER(stat("outside/new", &st), -1);
    fd = root_make_folder(root, "", 0755);
    CHECK(fd >= 0);
    close(fd);
}

TEST(rootpath_targets_of_both_kinds) {
    struct stat st;
    begin();
    int fd = root_make_target(root, "/etc/file", 0, 0600);
    CHECK_NUMBER(fstat(fd, &st), 0);
    CHECK(S_ISREG(st.st_mode));
    close(fd);
    fd = root_make_target(root, "/etc/folder", 1, 0755);
    CHECK_NUMBER(fstat(fd, &st), 0);
    CHECK(S_ISDIR(st.st_mode));
    close(fd);
    /* A link that leads nowhere is neither followed out nor replaced. */
    CHECK_NUMBER(symlink("/../outside/made", "root/etc/dangling"), 0);
    fd = root_make_target(root, "/etc/dangling", 0, 0600);
    if (fd >= 0) close(fd);
    CHECK_NUMBER(stat("outside/made", &st), -1);
}

TEST(rootpath_parents_and_names) {
    const char *name;
    begin();
    int fd = root_make_parent(root, "/one/two", &name);
    CHECK(fd >= 0);
    CHECK_TEXT(name, "two");
    close(fd);
    static const char *const bad[] = {"", "/", "a/", "a/.", "a/..", ".", ".."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_NUMBER(root_make_parent(root, bad[i], &name), -1);
        CHECK_NUMBER(errno, EINVAL);
    }
}

TEST(rootpath_names_that_are_too_long) {
    static char path[8192];
    const char *name;
    begin();
    memset(path, 'n', 300);
    CHECK_NUMBER(root_make_folder(root, path, 0755), -1);
    CHECK_NUMBER(errno, ENAMETOOLONG);
    for (size_t i = 0; i < sizeof path - 1; i++) path[i] = i % 2 ? '/' : 'd';
    CHECK_NUMBER(root_make_folder(root, path, 0755), -1);
    CHECK_NUMBER(errno, ENAMETOOLONG);
    path[sizeof path - 2] = 'd';
    CHECK_NUMBER(root_make_parent(root, path, &name), -1);
    CHECK_NUMBER(errno, ENAMETOOLONG);
}

/* Somebody who holds a lease makes a non-blocking open fail with EAGAIN for as long as he likes. */
TEST(rootpath_a_lease_does_not_hold_a_launch_for_ever) {
    begin();
    test_write("root/leased", "x", 1);
    int holder = open("root/leased", O_RDWR | O_CLOEXEC);
    if (fcntl(holder, F_SETLEASE, F_WRLCK)) test_skip("this file system has no leases");
    signal(SIGIO, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) _exit(root_open(root, "leased", O_RDONLY | O_NONBLOCK) < 0 && errno == EAGAIN ? 0 : 1);
    /* SIGIO is how the kernel asks the holder to give the lease up; it does not. */
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    CHECK_NUMBER(status, 0);
}
