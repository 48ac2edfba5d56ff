#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../copy_up.h"
#include "check.h"

static int source, to, above;

static void begin(void) {
    CHECK_NUMBER(mkdir("from", 0751), 0);
    CHECK_NUMBER(mkdir("to", 0700), 0);
    source = open("from", O_PATH | O_DIRECTORY | O_CLOEXEC);
    to = open("to", O_PATH | O_DIRECTORY | O_CLOEXEC);
    above = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(source >= 0 && to >= 0 && above >= 0);
    umask(022);
}

TEST(copy_up_keeps_modes_times_links_and_contents) {
    const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 2000, .tv_nsec = 7}};
    char link[64] = "";
    struct stat st;
    begin();
    CHECK_NUMBER(mkdir("from/d", 0755), 0);
    test_write("from/d/file", "contents", 8);
    CHECK_NUMBER(chmod("from/d/file", 04642), 0);
    CHECK_NUMBER(mkfifo("from/fifo", 0), 0);
    CHECK_NUMBER(chmod("from/fifo", 0666), 0);
    CHECK_NUMBER(symlink("/nowhere/at/all", "from/link"), 0);
    CHECK_NUMBER(chmod("from/d", 01777), 0);
    CHECK_NUMBER(utimensat(AT_FDCWD, "from/d/file", times, 0), 0);
    CHECK_NUMBER(utimensat(AT_FDCWD, "from/d", times, 0), 0);
    CHECK_NUMBER(copy_up(source, to, above), 0);
    CHECK_NUMBER(stat("to/d/file", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFREG | 04642);
    CHECK_NUMBER(st.st_mtim.tv_sec, 2000);
    CHECK_NUMBER(st.st_mtim.tv_nsec, 7);
    CHECK_NUMBER(stat("to/d", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFDIR | 01777);
    CHECK_NUMBER(st.st_mtim.tv_sec, 2000);
    CHECK_NUMBER(stat("to", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFDIR | 0751);
    CHECK_NUMBER(lstat("to/fifo", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFIFO | 0666);
    CHECK_NUMBER(readlink("to/link", link, sizeof link - 1), 15);
    CHECK_TEXT(link, "/nowhere/at/all");
    char *text = test_read("to/d/file");
    CHECK_TEXT(text, "contents");
    free(text);
    CHECK_NUMBER(umask(0), 022);
}

TEST(copy_up_keeps_names_of_one_file_together) {
    struct stat one, two, other;
    begin();
    CHECK_NUMBER(mkdir("from/d", 0755), 0);
    test_write("from/one", "same", 4);
    test_write("from/other", "same", 4);
    CHECK_NUMBER(link("from/one", "from/d/two"), 0);
    CHECK_NUMBER(link("from/one", "from/d/three"), 0);
    CHECK_NUMBER(copy_up(source, to, above), 0);
    CHECK_NUMBER(stat("to/one", &one), 0);
    CHECK_NUMBER(stat("to/d/two", &two), 0);
    CHECK_NUMBER(stat("to/other", &other), 0);
    CHECK_NUMBER(one.st_ino, two.st_ino);
    CHECK_NUMBER(one.st_nlink, 3);
    CHECK_NUMBER(other.st_nlink, 1);
    /* What is remembered for links is let go of. */
    int probe = open(".", O_PATH | O_CLOEXEC);
    CHECK(probe < 20);
}

TEST(copy_up_leaves_a_volume_with_contents_alone) {
    struct stat st;
    begin();
    test_write("from/file", "image", 5);
    test_write("to/mine", "volume", 6);
    CHECK_NUMBER(copy_up(source, to, above), 0);
    CHECK_NUMBER(stat("to/file", &st), -1);
}

TEST(copy_up_by_several_at_once_fills_a_volume_once) {
    enum { COPIES = 4, FILES = 200 };
    pid_t copies[COPIES];
    char name[32];
    begin();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "from/%d", i);
        test_write(name, "image", 5);
    }
    for (int i = 0; i < COPIES; i++) {
        copies[i] = fork();
        /* A lock belongs to who opened the folder. */
        if (copies[i] == 0) _exit(copy_up(source, to, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ? errno : access("to/199", F_OK) ? ENOENT : 0);
        CHECK(copies[i] > 0);
    }
    for (int i = 0; i < COPIES; i++) {
        int status = -1;
        CHECK_NUMBER(waitpid(copies[i], &status, 0), copies[i]);
        CHECK_NUMBER(status, 0);
    }
}

TEST(copy_up_refuses_a_tree_without_end) {
    begin();
    int at = open("from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 300; i++) {
        CHECK_NUMBER(mkdirat(at, "d", 0755), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    CHECK_NUMBER(copy_up(source, to, above), -1);
    CHECK_NUMBER(errno, ELOOP);
    /* Every descriptor of the walk is closed again. */
    int probe = open(".", O_PATH | O_CLOEXEC);
    CHECK(probe < 20);
}

TEST(copy_up_keeps_devices_owners_and_large_attributes) {
    static char value[20000], copied[sizeof value + 1];
    struct stat st;
    test_own_mounts();
    CHECK_NUMBER(mount("tmpfs", ".", "tmpfs", 0, ""), 0);
    char here[512];
    CHECK(getcwd(here, sizeof here) != NULL);
    CHECK_NUMBER(chdir(here), 0);
    begin();
    memset(value, 'v', sizeof value);
    test_write("from/file", "x", 1);
    CHECK_NUMBER(chown("from/file", 12, 34), 0);
    CHECK_NUMBER(setxattr("from/file", "trusted.large", value, sizeof value, 0), 0);
    CHECK_NUMBER(mknod("from/null", S_IFCHR | 0622, makedev(1, 3)), 0);
    CHECK_NUMBER(lchown("from/null", 5, 6), 0);
    CHECK_NUMBER(copy_up(source, to, above), 0);
    CHECK_NUMBER(stat("to/file", &st), 0);
    CHECK_NUMBER(st.st_uid, 12);
    CHECK_NUMBER(st.st_gid, 34);
    CHECK_NUMBER(getxattr("to/file", "trusted.large", copied, sizeof copied), sizeof value);
    CHECK_NUMBER(stat("to/null", &st), 0);
    CHECK_NUMBER(st.st_rdev, makedev(1, 3));
    CHECK_NUMBER(st.st_uid, 5);
}
