/* Whole runs of `gantry-shim unpack` and `pack` inside the test program, so that the sanitizers see them. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../archive_failure.h"
#include "../modes.h"
#include "check.h"
#include "tar_writer.h"

static struct tar_writer tar;

static void redirect(const char *path, int flags, int to) {
    int fd = open(path, flags | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_NUMBER(dup2(fd, to), to);
    close(fd);
}

/* Run a mode in a process of its own, for it is made to end with it. Its output is in "out" and "err". Returns its exit code. */
static int run(int (*mode)(int, char **), int count, char **arguments, const char *input) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        redirect(input, O_RDONLY, 0);
        redirect("out", O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect("err", O_WRONLY | O_CREAT | O_TRUNC, 2);
        exit(mode(count, arguments));
    }
    int status;
    CHECK_NUMBER(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int unpack(void) {
    char mode[] = "unpack", folder[] = "layer";
    char *arguments[] = {mode, folder, NULL};
    if (geteuid() != 0) test_skip("only root unpacks layers");
    mkdir("layer", 0755);
    mkdir("outside", 0755);
    tar_save(&tar, "archive.tar");
    tar.used = 0;
    return run(mode_unpack, 2, arguments, "archive.tar");
}

static void check_unpacked(void) {
    int code = unpack();
    char *words = test_read("err");
    if (code != 0) test_fail(__FILE__, __LINE__, "exit code %d: %s", code, words);
    free(words);
}

static void check_refused(const char *why) {
    int code = unpack();
    char *words = test_read("err");
    CHECK_NUMBER(code, ARCHIVE_BAD);
    CHECK_CONTAINS(words, why);
    free(words);
    CHECK_NUMBER(rmdir("outside"), 0);
    CHECK_NUMBER(mkdir("outside", 0755), 0);
}

TEST(unpack_names_that_lead_out) {
    struct stat st;
    tar_file(&tar, "../outside/file", "x");
    check_refused("leads out of the layer");
    tar_file(&tar, "a/../../outside/file", "x");
    check_refused("leads out of the layer");
    tar_file(&tar, "..", "x");
    check_refused("leads out of the layer");
    tar_header(&tar, '1', "hard", "../outside", 0);
    check_refused("leads out of the layer");
    tar_pax(&tar, "path", "x/../../outside/file", 20);
    tar_file(&tar, "x", "");
    check_refused("leads out of the layer");
    /* A leading slash is dropped, as every tar does. */
    tar_file(&tar, "/inside", "x");
    check_unpacked();
    CHECK_NUMBER(stat("layer/inside", &st), 0);
}

TEST(unpack_links_that_lead_out) {
    tar_header(&tar, '2', "link", "../outside", 0);
    tar_file(&tar, "link/file", "x");
    check_refused("a parent of it is a link");
    tar_header(&tar, '2', "deep", "../outside", 0);
    tar_file(&tar, "deep/a/b", "x");
    check_refused("a parent of it is a link");
    tar_header(&tar, '2', "target", "/etc/passwd", 0);
    tar_header(&tar, '1', "target/hard", "target", 0);
    check_refused("a parent of it is a link");
    tar_header(&tar, '2', "again", "../outside", 0);
    tar_header(&tar, '1', "hard", "again/file", 0);
    check_refused("a parent of it is a link");
}

TEST(unpack_entry_through_a_link_replaces_the_link) {
    struct stat st;
    test_write("outside-file", "precious", 8);
    tar_header(&tar, '2', "link", "../outside-file", 0);
    tar_file(&tar, "link", "mine");
    check_unpacked();
    char *text = test_read("outside-file");
    CHECK_TEXT(text, "precious");
    free(text);
    CHECK_NUMBER(lstat("layer/link", &st), 0);
    CHECK(S_ISREG(st.st_mode));
}

TEST(unpack_hard_link_to_a_link_of_the_host_is_a_link) {
    struct stat st;
    tar_header(&tar, '2', "link", "/etc/passwd", 0);
    tar_header(&tar, '1', "hard", "link", 0);
    check_unpacked();
    CHECK_NUMBER(lstat("layer/hard", &st), 0);
    CHECK(S_ISLNK(st.st_mode));
}

/* As with containerd and Docker: the header of a file's last name tells what the file is. */
TEST(unpack_hard_link_brings_its_attributes) {
    struct stat st;
    unsigned char *block = tar_header(&tar, '0', "first", "", 1);
    memcpy(block + 100, "0000600\0000000001\0000000002", 23);
    tar_fix(block);
    tar_data(&tar, "x", 1);
    tar_pax(&tar, "SCHILY.xattr.trusted.kept", "yes", 3);
    block = tar_header(&tar, '1', "second", "first", 0);
    memcpy(block + 100, "0006755\0000001750\0000001751", 23);
    memcpy(block + 136, "00000003720", 11);
    tar_fix(block);
    check_unpacked();
    CHECK_NUMBER(stat("layer/first", &st), 0);
    CHECK_NUMBER(st.st_nlink, 2);
    CHECK_NUMBER(st.st_mode & 07777, 06755);
    CHECK_NUMBER(st.st_uid, 1000);
    CHECK_NUMBER(st.st_gid, 1001);
    CHECK_NUMBER(st.st_mtim.tv_sec, 2000);
    char value[64];
    CHECK_NUMBER(getxattr("layer/first", "trusted.kept", value, sizeof value), 3);
}

/* The attributes are the link's, which has none but an owner, and never those of the host's file that it leads to. */
TEST(unpack_hard_link_to_a_link_leaves_what_that_leads_to) {
    struct stat st;
    test_write("outside-file", "precious", 8);
    CHECK_NUMBER(chmod("outside-file", 0600), 0);
    tar_header(&tar, '2', "link", "../outside-file", 0);
    unsigned char *block = tar_header(&tar, '1', "hard", "link", 0);
    memcpy(block + 100, "0000777\0000001750\0000001751", 23);
    tar_fix(block);
    check_unpacked();
    CHECK_NUMBER(stat("outside-file", &st), 0);
    CHECK_NUMBER(st.st_mode & 07777, 0600);
    CHECK_NUMBER(st.st_uid, 0);
    CHECK_NUMBER(lstat("layer/hard", &st), 0);
    CHECK_NUMBER(st.st_uid, 1000);
}

TEST(unpack_hard_link_to_nothing) {
    tar_header(&tar, '1', "hard", "missing", 0);
    check_refused("not in this layer");
    tar_header(&tar, '1', "hard", "", 0);
    check_refused("not in this layer");
}

TEST(unpack_root_that_is_no_folder) {
    tar_file(&tar, ".", "x");
    check_refused("must be a folder");
    tar_header(&tar, '2', "./", "/etc", 0);
    check_refused("must be a folder");
    tar_file(&tar, "", "x");
    check_refused("must be a folder");
}

TEST(unpack_whiteouts_without_a_name) {
    tar_file(&tar, ".wh.", "");
    check_refused("whiteout without a name");
    tar_file(&tar, ".wh...", "");
    check_refused("whiteout without a name");
    tar_file(&tar, ".wh..", "");
    check_refused("whiteout without a name");
}

TEST(unpack_whiteouts_and_opaque_folders) {
    char value[2];
    struct stat st;
    test_own_mounts();
    tar_file(&tar, "d/.wh.gone", "");
    tar_file(&tar, "o/.wh..wh..opq", "");
    tar_file(&tar, "o/kept", "x");
    check_unpacked();
    CHECK_NUMBER(stat("layer/d/gone", &st), 0);
    CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
    CHECK_NUMBER(getxattr("layer/o", "trusted.overlay.opaque", value, sizeof value), 1);
    char mode[] = "pack", folder[] = "layer";
    char *arguments[] = {mode, folder, NULL};
    CHECK_NUMBER(run(mode_pack, 2, arguments, "/dev/null"), 0);
    char *packed = test_read("out");
    struct stat size;
    CHECK_NUMBER(stat("out", &size), 0);
    CHECK(memmem(packed, (size_t)size.st_size, "d/.wh.gone", 10) != NULL);
    CHECK(memmem(packed, (size_t)size.st_size, "o/.wh..wh..opq", 14) != NULL);
    free(packed);
}

/* Orders to overlayfs: they could show files of the host in the container. */
TEST(unpack_drops_attributes_of_overlayfs) {
    char value[64];
    tar_pax(&tar, "SCHILY.xattr.trusted.overlay.redirect", "/../../etc", 10);
    tar_pax(&tar, "SCHILY.xattr.user.overlay.redirect", "/../../etc", 10);
    tar_pax(&tar, "SCHILY.xattr.trusted.kept", "yes", 3);
    tar_header(&tar, '5', "d", "", 0);
    check_unpacked();
    CHECK_NUMBER(getxattr("layer/d", "trusted.overlay.redirect", value, sizeof value), -1);
    CHECK_NUMBER(getxattr("layer/d", "user.overlay.redirect", value, sizeof value), -1);
    CHECK_NUMBER(getxattr("layer/d", "trusted.kept", value, sizeof value), 3);
}

TEST(unpack_names_are_printed_without_control_characters) {
    tar_file(&tar, "\x1b[31m\n/../..", "x");
    check_refused("\\x1b[31m\\x0a/../..: name leads out");
}

TEST(unpack_replaces_kinds_by_one_another) {
    struct stat st;
    tar_header(&tar, '5', "a", "", 0);
    tar_file(&tar, "a/b/c", "x");
    tar_file(&tar, "a", "now a file");
    tar_header(&tar, '5', "a", "", 0);
    tar_file(&tar, "a/d", "x");
    tar_header(&tar, '6', "a", "", 0);
    tar_header(&tar, '5', "a", "", 0);
    tar_file(&tar, "a/last", "x");
    check_unpacked();
    CHECK_NUMBER(stat("layer/a/last", &st), 0);
    CHECK_NUMBER(stat("layer/a/d", &st), -1);
}

TEST(unpack_setuid_and_capabilities_survive_the_change_of_owner) {
    struct stat st;
    tar_file(&tar, "program", "x");
    unsigned char *block = tar.bytes;
    memcpy(block + 100, "0004755\0000001750\0000001750", 23);
    tar_fix(block);
    check_unpacked();
    CHECK_NUMBER(stat("layer/program", &st), 0);
    CHECK_NUMBER(st.st_mode & 07777, 04755);
    CHECK_NUMBER(st.st_uid, 1000);
}

TEST(unpack_wants_its_arguments) {
    char mode[] = "unpack", bad[] = "--what", value[] = "x";
    char *arguments[] = {mode, bad, value, NULL};
    CHECK_NUMBER(run(mode_unpack, 3, arguments, "/dev/null"), 2);
    CHECK_NUMBER(run(mode_unpack, 1, arguments, "/dev/null"), 2);
    CHECK_NUMBER(run(mode_pack, 1, arguments, "/dev/null"), 2);
}
