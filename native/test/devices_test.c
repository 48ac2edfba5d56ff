#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../devices.h"
#include "check.h"

static struct failure failure;
static int root;

static void begin(void) {
    if (geteuid() != 0) test_skip("only root makes devices");
    CHECK_NUMBER(mkdir("root", 0755), 0);
    root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    umask(022);
}

static int make(const char *path, char type, unsigned major_number, unsigned minor_number, unsigned mode) {
    const struct operation op = {.code = OP_DEVICE, .f = {{.s = path}, {.u = (uint64_t)type}, {.u = major_number}, {.u = minor_number}, {.u = mode}}};
    return device_make(root, &op, -1, &failure);
}

TEST(devices_have_the_mode_asked_for) {
    struct stat st;
    begin();
    CHECK_NUMBER(make("/dev/null", 'c', 1, 3, 0666), 0);
    CHECK_NUMBER(stat("root/dev/null", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFCHR | 0666);
    CHECK_NUMBER(st.st_rdev, makedev(1, 3));
    CHECK_NUMBER(make("/dev/pipe", 'p', 0, 0, 0622), 0);
    CHECK_NUMBER(stat("root/dev/pipe", &st), 0);
    CHECK_NUMBER(st.st_mode, S_IFIFO | 0622);
    CHECK_NUMBER(umask(0), 022);
}

TEST(devices_that_are_there_already) {
    begin();
    CHECK_NUMBER(make("/dev/null", 'c', 1, 3, 0666), 0);
    CHECK_NUMBER(make("/dev/null", 'c', 1, 3, 0666), 0);
    CHECK_NUMBER(make("/dev/null", 'c', 1, 5, 0666), -1);
    CHECK_NUMBER(failure.error, EEXIST);
    CHECK_NUMBER(make("/dev/null", 'b', 1, 3, 0666), -1);
    test_write("root/file", "x", 1);
    CHECK_NUMBER(make("/file", 'c', 1, 3, 0666), -1);
    CHECK_NUMBER(failure.error, EEXIST);
}

/* A link of the image at the place of a device led to a file of the host, whose mode was changed. */
TEST(devices_do_not_follow_a_link_in_their_place) {
    char target[512];
    struct stat st;
    begin();
    test_write("host-file", "x", 1);
    CHECK_NUMBER(chmod("host-file", 0600), 0);
    CHECK(getcwd(target, sizeof target - 16) != NULL);
    strcat(target, "/host-file");
    CHECK_NUMBER(symlink(target, "root/link"), 0);
    CHECK_NUMBER(make("/link", 'c', 1, 3, 0666), -1);
    CHECK_NUMBER(failure.error, EEXIST);
    CHECK_NUMBER(stat("host-file", &st), 0);
    CHECK_NUMBER(st.st_mode & 07777, 0600);
}
