#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../oom_watch.h"
#include "check.h"

/* Files of groups as version 2 has them, which no kernel changes: only what is read from them, and when, is tested here. */
static void group(const char *name, const char *kills) {
    char path[64];
    mkdir(name, 0755);
    snprintf(path, sizeof path, "%s/memory.events", name);
    char text[64];
    int length = snprintf(text, sizeof text, "low 0\nmax 3\noom 1\noom_kill %s\n", kills);
    test_write(path, text, (size_t)length);
}

static void watch_own(void) {
    static char path[PATH_MAX];
    static struct operation op;
    CHECK(realpath("above", path) != NULL);
    strcat(path, "/own/memory.events");
    op.f[0].s = path;
    op.f[0].n = (uint32_t)strlen(path);
    op.f[1].u = 2;
    oom_watch_begin(&op);
    oom_watch_arm();
}

static void begin(void) {
    group("above", "10");
    group("above/own", "2");
    watch_own();
}

static void remove_own(void) {
    CHECK_NUMBER(unlink("above/own/memory.events"), 0);
    CHECK_NUMBER(rmdir("above/own"), 0);
}

TEST(oom_kills_of_before_the_task_are_not_its) {
    begin();
    CHECK_NUMBER(oom_watch_take(), 0);
    CHECK_NUMBER(oom_watch_end(1), 0);
}

TEST(oom_kills_are_told_once_each_and_at_the_end) {
    begin();
    group("above/own", "3");
    CHECK_NUMBER(oom_watch_take(), 1);
    CHECK_NUMBER(oom_watch_take(), 0);
    CHECK_NUMBER(oom_watch_end(0), 1);
}

TEST(oom_kills_known_outlive_their_group) {
    begin();
    group("above/own", "3");
    CHECK_NUMBER(oom_watch_take(), 1);
    remove_own();
    CHECK_NUMBER(oom_watch_end(0), 1);
}

TEST(oom_kills_of_a_removed_group_are_in_the_group_above) {
    begin();
    remove_own();
    group("above", "11");
    CHECK_NUMBER(oom_watch_end(1), 1);
}

TEST(oom_kills_in_the_group_above_are_not_its_when_somebody_else_killed_it) {
    begin();
    remove_own();
    group("above", "11");
    CHECK_NUMBER(oom_watch_end(0), 0);
}

TEST(oom_kills_of_others_are_not_those_of_a_removed_group) {
    begin();
    group("above", "11");
    CHECK_NUMBER(oom_watch_take(), 0);
    remove_own();
    CHECK_NUMBER(oom_watch_end(1), 0);
}

TEST(oom_kills_of_others_are_not_those_of_a_group_that_was_never_seen) {
    group("above", "10");
    watch_own();
    CHECK_NUMBER(oom_watch_end(1), 0);
}
