/*
 * driver ROUNDS PLANS SHIM STATE LIMIT PLACE: the shim and the least possible launch in turns. Prints a line for each round:
 * microseconds of the shim from its spawn to the word of the end, and to its own end; the same two of the limit.
 * PLANS is a folder with a plan for each round, named by its number; STATE the shim's folder, PLACE where the limit mounts.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_FAILED = 0x21, FRAME_ENDED = 0x24 };

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static pid_t spawn(char *const *argv, int input, int three) {
    pid_t pid = vfork();
    if (pid) return pid;
    if (input >= 0) dup2(input, 0);
    dup2(three, 3);
    execv(argv[0], argv);
    _exit(127);
}

static int read_all(int fd, uint8_t *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, bytes + done, size - done);
        if (got <= 0) return -1;
        done += (size_t)got;
    }
    return 0;
}

/* Frames of native/protocol.h, up to the one that tells of the end. */
static int until_ended(int fd) {
    static uint8_t body[65536];
    uint8_t head[8];
    while (read_all(fd, head, sizeof head) == 0) {
        uint32_t size = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
        if (size > sizeof body || read_all(fd, body, size)) return -1;
        if (head[0] == FRAME_FAILED) fprintf(stderr, "the shim refused: %.*s\n", (int)size - 8, body + 8);
        if (head[0] == FRAME_ENDED) return 0;
    }
    return -1;
}

static void time_one(char *const *argv, int input, int (*wait)(int), int64_t *told, int64_t *gone) {
    int pair[2], status;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) exit(1);
    int64_t begun = now();
    pid_t pid = spawn(argv, input, pair[1]);
    close(pair[1]);
    if (wait(pair[0])) exit(1);
    *told = now() - begun;
    close(pair[0]);
    waitpid(pid, &status, 0);
    *gone = now() - begun;
    if (status) {
        fprintf(stderr, "%s ended with status %d\n", argv[0], status);
        exit(1);
    }
}

static int until_word(int fd) {
    char word;
    return read(fd, &word, 1) == 1 ? 0 : -1;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    long rounds = strtol(argv[1], NULL, 10);
    if (chdir(argv[4])) return 1;
    for (long round = 0; round < rounds; round++) {
        int64_t shim[2], limit[2];
        char plan[4096], digits[16];
        snprintf(plan, sizeof plan, "%s/%ld", argv[2], round);
        snprintf(digits, sizeof digits, "%07lx", 0x8000000 + round);
        int input = open(plan, O_RDONLY | O_CLOEXEC);
        if (input < 0) return 1;
        char *const launch[] = {argv[3], "launch", argv[4], NULL}, *const least[] = {argv[5], argv[6], digits, NULL};
        time_one(launch, input, until_ended, &shim[0], &shim[1]);
        close(input);
        unlink("shim.sock");
        unlink("exit");
        time_one(least, -1, until_word, &limit[0], &limit[1]);
        printf("%ld %ld %ld %ld\n", (long)shim[0], (long)shim[1], (long)limit[0], (long)limit[1]);
    }
    return 0;
}
