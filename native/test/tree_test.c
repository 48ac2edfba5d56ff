#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../archive_tree.h"
#include "check.h"

TEST(tree_clean_names) {
    static const struct {
        const char *raw, *wanted;
    } cases[] = {{"a", "a"}, {"./a//b/./", "a/b"}, {"/a", "a"}, {"", ""}, {".", ""}, {"///", ""}, {"a/...", "a/..."}, {"..a/b..", "..a/b.."}};
    static char path[PATH_MAX], name[5000];
    struct archive_failure failure = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_NUMBER(tree_clean(cases[i].raw, path, &failure), 0);
        CHECK_TEXT(path, cases[i].wanted);
    }
    static const char *const bad[] = {"..", "../a", "a/..", "a/../b", "/..", "./..//x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_NUMBER(tree_clean(bad[i], path, &failure), -1);
    memset(name, 'n', 256);
    CHECK_NUMBER(tree_clean(name, path, &failure), -1);
    name[255] = 0;
    CHECK_NUMBER(tree_clean(name, path, &failure), 0);
    for (size_t i = 0; i < sizeof name - 1; i++) name[i] = i % 2 ? '/' : 'd';
    CHECK_NUMBER(tree_clean(name, path, &failure), -1);
    name[4095] = 0;
    CHECK_NUMBER(tree_clean(name, path, &failure), 0);
}

/* A container that runs while it is packed can exchange a file for anything between two looks at it. */
TEST(tree_file_that_was_exchanged_is_not_opened) {
    struct stat st, other;
    test_write("file", "x", 1);
    test_write("other", "y", 1);
    CHECK_NUMBER(stat("file", &st), 0);
    CHECK_NUMBER(stat("other", &other), 0);
    int fd = tree_open_file(AT_FDCWD, "file", &st);
    CHECK(fd >= 0);
    close(fd);
    CHECK_NUMBER(tree_open_file(AT_FDCWD, "file", &other), -1);
    CHECK_NUMBER(errno, ESTALE);
    CHECK_NUMBER(rename("other", "file"), 0);
    CHECK_NUMBER(tree_open_file(AT_FDCWD, "file", &st), -1);
    CHECK_NUMBER(errno, ESTALE);
    CHECK_NUMBER(unlink("file"), 0);
    CHECK_NUMBER(mkfifo("file", 0600), 0);
    CHECK_NUMBER(tree_open_file(AT_FDCWD, "file", &st), -1);
    CHECK_NUMBER(errno, ESTALE);
    CHECK_NUMBER(unlink("file"), 0);
    CHECK_NUMBER(symlink("/etc/passwd", "file"), 0);
    CHECK_NUMBER(tree_open_file(AT_FDCWD, "file", &st), -1);
    CHECK_NUMBER(errno, ESTALE);
    CHECK_NUMBER(unlink("file"), 0);
    CHECK_NUMBER(tree_open_file(AT_FDCWD, "file", &st), -1);
    CHECK_NUMBER(errno, ENOENT);
}
