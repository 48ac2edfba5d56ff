/*
 * gantry-shim quota state|unused|limit|lift|use FOLDER [PROJECT [BYTES]]
 *
 * Project quotas of the file system that FOLDER lies on (project_quota.h).
 *   state  FOLDER                prints "absent", "counted" or "enforced"
 *   unused FOLDER FIRST          prints the first project from FIRST on that nobody uses
 *   limit  FOLDER PROJECT BYTES  limits the project and puts the folder into it
 *   lift   FOLDER PROJECT        takes the project's limit away
 *   use    FOLDER PROJECT        prints LIMIT and USED, in bytes
 * Exit code 1 with the reason on stderr when the kernel refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "modes.h"
#include "project_quota.h"

struct request {
    int folder;
    uint32_t project;
    uint64_t bytes;
};

static int print_state(const struct request *request) {
    static const char *const words[] = {[QUOTA_ABSENT] = "absent", [QUOTA_COUNTED] = "counted", [QUOTA_ENFORCED] = "enforced"};
    enum quota_state state;
    return quota_state(request->folder, &state) ? -1 : puts(words[state]);
}

static int print_unused(const struct request *request) {
    uint32_t unused;
    return quota_first_unused(request->folder, request->project, &unused) ? -1 : printf("%" PRIu32 "\n", unused);
}

/* The limit first: nothing is ever counted with a project that has none. */
static int limit(const struct request *request) {
    if (quota_limit(request->folder, request->project, request->bytes)) return -1;
    return quota_assign(request->folder, request->project);
}

static int lift(const struct request *request) {
    return quota_limit(request->folder, request->project, 0);
}

static int print_use(const struct request *request) {
    struct quota_use use;
    if (quota_use(request->folder, request->project, &use)) return -1;
    return printf("%" PRIu64 " %" PRIu64 "\n", use.limit_bytes, use.used_bytes);
}

static const struct command {
    const char *name;
    int numbers;
    int (*run)(const struct request *request);
} commands[] = {
    {"state", 0, print_state}, {"unused", 1, print_unused}, {"limit", 2, limit}, {"lift", 1, lift}, {"use", 1, print_use},
};

static int parse_number(const char *text, uint64_t most, uint64_t *number) {
    if (*text == 0 || strspn(text, "0123456789") != strlen(text)) return -1;
    errno = 0;
    *number = strtoull(text, NULL, 10);
    return errno != 0 || *number > most ? -1 : 0;
}

static const struct command *parse(int argc, char **argv, struct request *request) {
    uint64_t project = 0;
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        if (argc != 3 + commands[i].numbers) return NULL;
        if (argc > 3 && parse_number(argv[3], UINT32_MAX, &project)) return NULL;
        if (argc > 4 && parse_number(argv[4], UINT64_MAX, &request->bytes)) return NULL;
        request->project = (uint32_t)project;
        return &commands[i];
    }
    return NULL;
}

int mode_quota(int argc, char **argv) {
    struct request request = {0};
    const struct command *command = parse(argc, argv, &request);
    if (!command) {
        fputs("usage: gantry-shim quota state|unused|limit|lift|use FOLDER [PROJECT [BYTES]]\n", stderr);
        return 2;
    }
    AUTO_FD folder = open(argv[2], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    request.folder = folder;
    if (folder >= 0 && command->run(&request) >= 0 && fflush(stdout) == 0) return 0;
    fprintf(stderr, "%s\n", strerror(errno));
    return 1;
}
