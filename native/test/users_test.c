#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../users.h"
#include "check.h"

static struct identity identity;
static struct failure failure;
static int root;

static void begin(const char *passwd, const char *group) {
    mkdir("etc", 0755);
    if (passwd) test_write("etc/passwd", passwd, strlen(passwd));
    if (group) test_write("etc/group", group, strlen(group));
    root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
}

static int look_up(const char *user, const char *group) {
    identity = (struct identity){0};
    return identity_by_name(root, user, group, &identity, &failure);
}

static const char PASSWD[] = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/sh\n";

TEST(users_by_name_and_by_number) {
    begin(PASSWD, "root:x:0:\nweb:x:34:\nextra:x:77:x,web\nother:x:78:webb,we\n");
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity.uid, 33);
    CHECK_NUMBER(identity.gid, 34);
    CHECK_TEXT(identity.home, "/var/www");
    CHECK_NUMBER(identity.group_count, 2);
    CHECK_NUMBER(identity.groups[1], 77);
    CHECK_NUMBER(look_up("33", ""), 0);
    CHECK_NUMBER(identity.gid, 34);
    CHECK_NUMBER(identity.group_count, 2);
    CHECK_NUMBER(look_up("web", "extra"), 0);
    CHECK_NUMBER(identity.gid, 77);
    CHECK_NUMBER(look_up("1234", ""), 0);
    CHECK_NUMBER(identity.uid, 1234);
    CHECK_NUMBER(identity.gid, 0);
    CHECK_TEXT(identity.home, "/");
    CHECK_NUMBER(look_up("web", "99"), 0);
    CHECK_NUMBER(identity.gid, 99);
}

TEST(users_that_are_not_there) {
    begin(PASSWD, "root:x:0:\n");
    CHECK_NUMBER(look_up("nobody", ""), -1);
    CHECK_TEXT(failure.detail, "user nobody");
    CHECK_NUMBER(look_up("web", "staff"), -1);
    CHECK_TEXT(failure.detail, "group staff");
    /* Numbers that no id can be are names, and there is none of that name. */
    CHECK_NUMBER(look_up("4294967295", ""), -1);
    CHECK_NUMBER(look_up("4294967296", ""), -1);
    CHECK_NUMBER(look_up("-1", ""), -1);
    CHECK_NUMBER(look_up("0x10", ""), -1);
    CHECK_NUMBER(look_up("99999999999999999999999999", ""), -1);
}

TEST(users_without_any_files) {
    begin(NULL, NULL);
    CHECK_NUMBER(look_up("", ""), 0);
    CHECK_NUMBER(identity.uid, 0);
    CHECK_NUMBER(look_up("7", "8"), 0);
    CHECK_NUMBER(identity.gid, 8);
    CHECK_NUMBER(look_up("root", ""), -1);
}

/* No user asked for means root, whatever an entry without a name would like. */
TEST(users_entry_without_a_name_is_nobodys) {
    begin(":x:5:5::/five:\nroot:x:0:0::/root:\n", "");
    CHECK_NUMBER(look_up("", ""), 0);
    CHECK_NUMBER(identity.uid, 0);
    CHECK_TEXT(identity.home, "/root");
}

TEST(users_hostile_entries_are_passed_over) {
    begin("::::::\n"
          "web\n"
          "web:x\n"
          "web:x:\n"
          "web:x:-1:-1::/:\n"
          "web:x:4294967295:0::/:\n"
          "web:x:1e3:0::/:\n"
          "web:x: 5:0::/:\n"
          "web:x:99999999999999999999:0::/:\n"
          "\n"
          "web:x:33:34::relative:\n",
          "a:x:4294967296:web\nb:x:\nc\nd:x:5:web\n");
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity.uid, 33);
    CHECK_TEXT(identity.home, "/");
    CHECK_NUMBER(identity.group_count, 2);
    CHECK_NUMBER(identity.groups[1], 5);
}

TEST(users_file_without_a_newline_at_its_end) {
    begin("web:x:33:34::/home:", "g:x:9:web");
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity.uid, 33);
    CHECK_NUMBER(identity.group_count, 2);
}

/* What follows the limit belongs to the same line: it must not be read as an entry of its own. */
TEST(users_line_over_the_limit_is_passed_over_as_a_whole) {
    enum { LIMIT = 65536 };
    for (size_t length = LIMIT - 2; length <= LIMIT + 2; length++) {
        size_t size = length + 200;
        char *text = malloc(size);
        CHECK(text != NULL);
        memset(text, 'a', length);
        strcpy(text + length, "root:x:7:7::/seven:\nroot:x:0:0::/root:\n");
        begin(text, "");
        CHECK_NUMBER(look_up("root", ""), 0);
        CHECK_NUMBER(identity.uid, 0);
        close(root);
        free(text);
    }
}

TEST(users_with_many_lines_of_bytes_that_are_no_text) {
    char text[8192];
    for (size_t i = 0; i < sizeof text - 1; i++) text[i] = (char)(1 + i * 7 % 255);
    text[sizeof text - 1] = 0;
    begin(text, text);
    CHECK_NUMBER(look_up("nobody-here", ""), -1);
}

TEST(users_more_groups_than_there_may_be) {
    char *text = malloc(64 * 2000), *at = text;
    CHECK(text != NULL);
    for (int i = 1; i <= 2000; i++) at += sprintf(at, "g%d:x:%d:web\n", i, i + 1000);
    begin(PASSWD, text);
    free(text);
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity.group_count, MAX_GROUPS);
}

/* A fifo would block for ever; a link leads to a file of the root, never to the host's. */
TEST(users_files_of_other_kinds) {
    begin(NULL, NULL);
    CHECK_NUMBER(mkfifo("etc/passwd", 0644), 0);
    CHECK_NUMBER(symlink("/etc/passwd", "etc/group"), 0);
    CHECK_NUMBER(look_up("root", ""), -1);
    CHECK_NUMBER(look_up("5", "6"), 0);
    CHECK_NUMBER(unlink("etc/passwd"), 0);
    CHECK_NUMBER(symlink("/host-passwd", "etc/passwd"), 0);
    test_write("host-passwd", PASSWD, strlen(PASSWD));
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity.uid, 33);
    CHECK_NUMBER(unlink("etc/passwd"), 0);
    CHECK_NUMBER(symlink("passwd", "etc/passwd"), 0);
    CHECK_NUMBER(look_up("web", ""), -1);
    CHECK_NUMBER(unlink("etc/passwd"), 0);
    CHECK_NUMBER(mkdir("etc/passwd", 0755), 0);
    CHECK_NUMBER(look_up("web", ""), -1);
}

TEST(users_added_groups_and_home_by_number) {
    begin(PASSWD, "audio:x:29:\n");
    CHECK_NUMBER(look_up("web", ""), 0);
    CHECK_NUMBER(identity_add_group(root, "audio", &identity, &failure), 0);
    CHECK_NUMBER(identity_add_group(root, "29", &identity, &failure), 0);
    CHECK_NUMBER(identity.group_count, 2);
    CHECK_NUMBER(identity_add_group(root, "video", &identity, &failure), -1);
    CHECK_TEXT(failure.detail, "group video");
    identity.uid = 33;
    CHECK_NUMBER(identity_find_home(root, &identity, &failure), 0);
    CHECK_TEXT(identity.home, "/var/www");
    identity.uid = 34;
    CHECK_NUMBER(identity_find_home(root, &identity, &failure), 0);
    CHECK_TEXT(identity.home, "/");
}
