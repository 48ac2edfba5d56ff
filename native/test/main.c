/* Runs every test, or those whose name contains an argument. Prints a line for each: "pass NAME", "skip NAME: WHY", "FAIL NAME: WHY". */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { EXIT_SKIPPED = 77, LIMIT_SECONDS = 20 };

static struct test *first;
static const char *running = "";

void test_register(struct test *test) {
    struct test **place = &first;
    while (*place && strcmp((*place)->name, test->name) < 0) place = &(*place)->next;
    test->next = *place;
    *place = test;
}

/* Not stdout: a test may have turned that elsewhere. */
static int report = -1;

static _Noreturn void end(const char *word, const char *why, int code) {
    dprintf(report, "%s %s: %s\n", word, running, why);
    /* Not exit(3): what a failed test did not free is no news. */
    _exit(code);
}

_Noreturn void test_fail(const char *file, int line, const char *format, ...) {
    char why[4096], text[3072];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(why, sizeof why, "%s:%d: %s", file, line, text);
    end("FAIL", why, 1);
}

_Noreturn void test_skip(const char *why) {
    end("skip", why, EXIT_SKIPPED);
}

char *test_read(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    char *text = malloc((size_t)st.st_size + 1);
    CHECK(text != NULL);
    CHECK_NUMBER(read(fd, text, (size_t)st.st_size), st.st_size);
    text[st.st_size] = 0;
    close(fd);
    return text;
}

void test_write(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    CHECK_NUMBER(write(fd, bytes, size), size);
    close(fd);
}

void test_own_mounts(void) {
    if (unshare(CLONE_NEWNS)) test_skip("only root has mount namespaces");
    CHECK_NUMBER(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk) {
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

/* 0 when the test passed or was skipped. */
static int run(const struct test *test) {
    char folder[256];
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/gantry-native-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder)) return perror(folder), 1;
    running = test->name;
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(folder)) test_fail(__FILE__, __LINE__, "chdir: %s", strerror(errno));
        alarm(LIMIT_SECONDS);
        test->run();
        if (test->checks_leaks) exit(0);
        _exit(0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return perror("fork"), 1;
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 0) printf("pass %s\n", test->name);
    else if (code < 0) printf("FAIL %s: ended by signal %d\n", test->name, WTERMSIG(status));
    else if (code != 1 && code != EXIT_SKIPPED) printf("FAIL %s: exit code %d, a sanitizer's words are above\n", test->name, code);
    fflush(stdout);
    return code != 0 && code != EXIT_SKIPPED;
}

int main(int argc, char **argv) {
    int failed = 0;
    report = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
    for (const struct test *test = first; test; test = test->next) {
        int wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= strstr(test->name, argv[i]) != NULL;
        if (wanted) failed |= run(test);
    }
    return failed;
}
