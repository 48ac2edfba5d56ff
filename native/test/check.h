/*
 * Tests that register themselves: TEST(a_name) { CHECK(...); }. Each runs in a process of its own, in an empty folder of
 * its own, so that a crash, a leak or a changed umask is one test's affair. A failed check ends its test.
 */
#ifndef GANTRY_TEST_CHECK_H
#define GANTRY_TEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    int checks_leaks;
    struct test *next;
};

void test_register(struct test *test);

/* End the test: with what is wrong, or with why it cannot be run here. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *why);

/* A whole file of the test's folder; NUL-terminated, freed by the caller. Fails the test when it cannot be read. */
char *test_read(const char *path);
void test_write(const char *path, const void *bytes, size_t size);

/* A mount namespace of the test's own, for tests that mount; skips the test for users who may not have one. */
void test_own_mounts(void);

#define TEST_THAT(id, leaks)                                                                  \
    static void id(void);                                                                     \
    static struct test test_of_##id = {.name = #id, .run = id, .checks_leaks = (leaks)};       \
    __attribute__((constructor)) static void register_##id(void) {                            \
        test_register(&test_of_##id);                                                         \
    }                                                                                         \
    static void id(void)

#define TEST(id) TEST_THAT(id, 0)
/* For code that allocates: the look for leaks at the end takes a quarter of a second. */
#define TEST_WITH_LEAKS(id) TEST_THAT(id, 1)

#define CHECK(condition) \
    ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))

#define CHECK_NUMBER(got, wanted)                                                                                \
    do {                                                                                                         \
        long long got_ = (long long)(got), wanted_ = (long long)(wanted);                                        \
        if (got_ != wanted_) test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, wanted_);          \
    } while (0)

#define CHECK_TEXT(got, wanted)                                                                                  \
    do {                                                                                                         \
        const char *got_ = (got), *wanted_ = (wanted);                                                           \
        if (!got_ || strcmp(got_, wanted_) != 0)                                                                 \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #got, got_ ? got_ : "(null)", wanted_);    \
    } while (0)

#define CHECK_CONTAINS(got, part)                                                                                \
    do {                                                                                                         \
        const char *got_ = (got), *part_ = (part);                                                               \
        if (!got_ || !strstr(got_, part_))                                                                       \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", without \"%s\"", #got, got_ ? got_ : "(null)", part_);   \
    } while (0)

#endif
