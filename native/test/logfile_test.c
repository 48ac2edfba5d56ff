#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../logfile.h"
#include "check.h"

static void append(const char *text) {
    logfile_append(LOG_STDOUT, text, strlen(text));
}

/* What stands between {"log":" and ","stream" in each line, one after another, with | between. */
static const char *logs_in(const char *path) {
    static char result[1 << 20];
    char *text = test_read(path);
    size_t used = 0;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        CHECK(end != NULL);
        *end = 0;
        CHECK(strncmp(line, "{\"log\":\"", 8) == 0 && end - line > 40 && strcmp(end - 2, "\"}") == 0);
        char *stop = strstr(line, "\",\"stream\":\"std");
        CHECK(stop != NULL);
        CHECK((size_t)(stop - line) < sizeof result - used);
        if (used) result[used++] = '|';
        memcpy(result + used, line + 8, (size_t)(stop - line - 8));
        used += (size_t)(stop - line - 8);
        line = end + 1;
    }
    result[used] = 0;
    free(text);
    return result;
}

TEST(logfile_lines_of_both_streams) {
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    append("one\ntwo\nthr");
    logfile_append(LOG_STDERR, "err\n", 4);
    append("ee\nlast");
    CHECK_TEXT(logs_in("log"), "one\\n|two\\n|err\\n|three\\n");
    logfile_finish();
    char *text = test_read("log");
    CHECK_CONTAINS(text, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"20");
    CHECK_CONTAINS(text, "{\"log\":\"last\",\"stream\":\"stdout\",\"time\":\"20");
    free(text);
    struct stat st;
    CHECK_NUMBER(stat("log", &st), 0);
    CHECK_NUMBER(st.st_mode & 07777, 0640 & ~022);
}

static const char *escaped(const char *bytes, size_t size) {
    unlink("log");
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    logfile_append(LOG_STDOUT, bytes, size);
    logfile_append(LOG_STDOUT, "\n", 1);
    return logs_in("log");
}

/* As Go's encoding/json writes strings, which Docker's readers know. */
TEST(logfile_escapes) {
    CHECK_TEXT(escaped("\"\\\t\r", 4), "\\\"\\\\\\t\\r\\n");
    CHECK_TEXT(escaped("\0\1\x1f\x7f", 4), "\\u0000\\u0001\\u001f\x7f\\n");
    CHECK_TEXT(escaped("<&>", 3), "\\u003c\\u0026\\u003e\\n");
    CHECK_TEXT(escaped("\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\xb3", 11), "\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\xb3\\n");
    CHECK_TEXT(escaped("\xe2\x80\xa8\xe2\x80\xa9", 6), "\\u2028\\u2029\\n");
}

TEST(logfile_bytes_that_are_no_utf8) {
    static const struct {
        const char *bytes, *wanted;
    } cases[] = {
        {"\xff", "\\ufffd\\n"},
        {"\x80", "\\ufffd\\n"},
        {"\xc3", "\\ufffd\\n"},
        {"\xc0\xaf", "\\ufffd\\ufffd\\n"},
        {"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd\\n"},
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd\\n"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\n"},
        {"\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\n"},
        {"\xe2\x82", "\\ufffd\\ufffd\\n"},
        {"\xe2\x82z", "\\ufffd\\ufffdz\\n"},
        {"\xf0\x9f\x90", "\\ufffd\\ufffd\\ufffd\\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) CHECK_TEXT(escaped(cases[i].bytes, strlen(cases[i].bytes)), cases[i].wanted);
}

TEST(logfile_long_lines_are_cut_where_docker_cuts_them) {
    static char line[40001];
    memset(line, 1, 40000);
    line[40000] = '\n';
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    for (size_t at = 0; at < sizeof line; at += 7000) logfile_append(LOG_STDOUT, line + at, sizeof line - at < 7000 ? sizeof line - at : 7000);
    char *text = test_read("log");
    size_t lines = 0, escapes = 0;
    for (char *at = text; *at; at++) lines += *at == '\n';
    for (char *at = text; (at = strstr(at, "\\u0001")); at++) escapes++;
    CHECK_NUMBER(lines, 3);
    CHECK_NUMBER(escapes, 40000);
    CHECK_NUMBER(strstr(text, "\",\"stream") - text, 8 + 6 * 16384);
    free(text);
}

TEST(logfile_times_are_rfc3339_with_nanoseconds) {
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    append("x\n");
    char *text = test_read("log");
    const char *time = strstr(text, "\"time\":\"") + 8;
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
    for (size_t i = 0; shape[i]; i++) CHECK(shape[i] == 'd' ? time[i] >= '0' && time[i] <= '9' : time[i] == shape[i]);
    CHECK_TEXT(time + strlen(shape), "\"}\n");
    free(text);
}

TEST(logfile_appends_to_what_is_there) {
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    append("first\n");
    CHECK_NUMBER(logfile_open("log", 0, 1), 0);
    append("second\n");
    CHECK_TEXT(logs_in("log"), "first\\n|second\\n");
}

TEST(logfile_rotates_by_size_and_keeps_so_many) {
    struct stat st;
    CHECK_NUMBER(logfile_open("log", 300, 3), 0);
    for (int i = 0; i < 40; i++) {
        char line[32];
        sprintf(line, "line %02d\n", i);
        append(line);
    }
    CHECK_NUMBER(stat("log", &st), 0);
    CHECK(st.st_size > 0 && st.st_size < 300 + 100);
    CHECK_CONTAINS(logs_in("log"), "line 39");
    CHECK_NUMBER(stat("log.1", &st), 0);
    CHECK(st.st_size >= 300);
    CHECK_NUMBER(stat("log.2", &st), 0);
    CHECK_NUMBER(stat("log.3", &st), -1);
    /* No line is lost between one file and the next. */
    static char all[4096];
    snprintf(all, sizeof all, "%s|", logs_in("log.2"));
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s|", logs_in("log.1"));
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s", logs_in("log"));
    int number = atoi(all + 5);
    for (const char *at = all; at; number++) {
        CHECK_NUMBER(atoi(at + 5), number);
        at = strchr(at, '|');
        if (at) at++;
    }
    CHECK_NUMBER(number, 40);
}

TEST(logfile_with_one_file_begins_it_anew) {
    CHECK_NUMBER(logfile_open("log", 200, 1), 0);
    for (int i = 0; i < 20; i++) append("some line\n");
    struct stat st;
    CHECK_NUMBER(stat("log", &st), 0);
    CHECK(st.st_size < 300);
    CHECK_NUMBER(stat("log.1", &st), -1);
}

TEST(logfile_refuses_links) {
    test_write("target", "", 0);
    CHECK_NUMBER(symlink("target", "log"), 0);
    CHECK_NUMBER(logfile_open("log", 0, 1), -1);
}

static void mount_small(const char *options) {
    test_own_mounts();
    CHECK_NUMBER(mkdir("small", 0755), 0);
    CHECK_NUMBER(mount("tmpfs", "small", "tmpfs", 0, options), 0);
}

/* Lines are lost while the disk is full, but what is in the file is whole lines, before and after. */
TEST(logfile_on_a_full_disk_keeps_whole_lines) {
    struct stat st;
    mount_small("size=32k");
    CHECK_NUMBER(logfile_open("small/log", 0, 1), 0);
    char filler[16384];
    memset(filler, 0, sizeof filler);
    test_write("small/filler", filler, sizeof filler);
    for (int i = 0; i < 400; i++) append("a line while there is room, and then none\n");
    CHECK_NUMBER(stat("small/log", &st), 0);
    CHECK_NUMBER(st.st_size, 16384);
    CHECK_NUMBER(unlink("small/filler"), 0);
    append("room again\n");
    const char *logs = logs_in("small/log");
    CHECK_CONTAINS(logs, "|room again\\n");
    CHECK_CONTAINS(logs, "|a line while there is room, and then none\\n|");
}

/* When no new file can be made the old ones stay as they are, and the lines go on into the present one. */
TEST(logfile_that_cannot_rotate_loses_nothing) {
    mount_small("nr_inodes=4");
    CHECK_NUMBER(logfile_open("small/log", 200, 3), 0);
    test_write("small/log.1", "older", 5);
    test_write("small/filler", "", 0);
    for (int i = 0; i < 20; i++) append("line\n");
    char *older = test_read("small/log.1");
    CHECK_TEXT(older, "older");
    free(older);
    const char *logs = logs_in("small/log");
    CHECK_NUMBER(strlen(logs), 20 * strlen("line\\n|") - 1);
    CHECK_NUMBER(unlink("small/filler"), 0);
    append("turned\n");
    CHECK_TEXT(logs_in("small/log"), "turned\\n");
    older = test_read("small/log.2");
    CHECK_TEXT(older, "older");
    free(older);
}
