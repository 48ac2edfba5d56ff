#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../exit_record.h"
#include "check.h"

static struct task task;

static void begin(const char *folder) {
    task = (struct task){.exit_code = 137, .signal = 9, .oom = 1, .started_ns = 1700000000000000001u, .ended_ns = UINT64_MAX};
    task.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(task.folder >= 0);
    CHECK_NUMBER(exit_record_reserve(&task), 0);
}

static void end_and_check(const char *path) {
    int record = exit_record_write(&task);
    CHECK(record >= 0);
    char *text = test_read(path);
    CHECK_TEXT(text, "exit 137\nsignal 9\noom 1\nstarted 1700000000000000001\nended 18446744073709551615\n");
    free(text);
    exit_record_sync(&task, record);
}

TEST(exit_record_holds_all_that_is_known) {
    struct stat st;
    begin(".");
    CHECK_NUMBER(stat("exit", &st), -1);
    end_and_check("exit");
    CHECK_NUMBER(stat("exit", &st), 0);
    CHECK_NUMBER(st.st_mode & 07777, 0600);
    CHECK_NUMBER(stat("exit.tmp", &st), -1);
}

TEST(exit_record_of_an_earlier_run_is_replaced) {
    test_write("exit.tmp", "half a record", 13);
    test_write("exit", "exit 0\n", 7);
    begin(".");
    end_and_check("exit");
}

/* Its place is taken at the launch: how a container ended is known though its log filled the disk meanwhile. */
TEST(exit_record_is_written_to_a_full_disk) {
    test_own_mounts();
    CHECK_NUMBER(mkdir("small", 0755), 0);
    CHECK_NUMBER(mount("tmpfs", "small", "tmpfs", 0, "size=16k"), 0);
    begin("small");
    int filler = open("small/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = "";
    while (write(filler, block, sizeof block) > 0) {
    }
    end_and_check("small/exit");
}

TEST(exit_record_does_not_follow_a_link) {
    test_write("target", "precious", 8);
    CHECK_NUMBER(symlink("target", "exit.tmp"), 0);
    task.folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_NUMBER(exit_record_reserve(&task), -1);
    char *text = test_read("target");
    CHECK_TEXT(text, "precious");
    free(text);
}
