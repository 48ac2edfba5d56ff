/*
 * gantry-shim identity [--process PID --group CGROUP] USER GROUP [MORE_GROUP]...
 *
 * Prints the numbers that the words of --user and --group-add stand for in a container: uid, gid, and all additional groups,
 * with blanks between them. On stdin comes the plan of the container's files (container_view.h). Exit code 65 (EX_DATAERR) for
 * a name that is not there, with "user NAME" or "group NAME" on stderr; 1 for anything else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container_view.h"
#include "modes.h"
#include "users.h"

enum { NO_SUCH_NAME = 65 };

static const char *read_plan(struct plan *plan) {
    /* The plan points into it, and is needed to the end. */
    static uint8_t bytes[PLAN_MAX_BYTES + 1];
    size_t size = fread(bytes, 1, sizeof bytes, stdin);
    return ferror(stdin) ? "the plan cannot be read" : plan_parse_part(bytes, size, plan);
}

static int complain(const struct failure *failure) {
    if (failure->error == ENOENT && (strncmp(failure->detail, "user ", 5) == 0 || strncmp(failure->detail, "group ", 6) == 0)) {
        fprintf(stderr, "%s\n", failure->detail);
        return NO_SUCH_NAME;
    }
    fprintf(stderr, "%s: %s\n", failure->detail, strerror(failure->error));
    return 1;
}

int mode_identity(int argc, char **argv) {
    static struct plan plan;
    static struct identity identity;
    struct view_process process = {0};
    struct failure failure = {0};
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--process") == 0) process.pid = argv[at + 1];
        else if (strcmp(argv[at], "--group") == 0) process.group = argv[at + 1];
        else break;
    }
    if (argc - at < 2 || (process.pid == NULL) != (process.group == NULL)) {
        fputs("usage: gantry-shim identity [--process PID --group CGROUP] USER GROUP [MORE_GROUP]...\n", stderr);
        return 2;
    }
    const char *refused = read_plan(&plan);
    if (refused) {
        fprintf(stderr, "%s\n", refused);
        return 1;
    }
    int root = container_view_open(&plan, process.pid ? &process : NULL, &failure);
    if (root < 0) return complain(&failure);
    if (identity_by_name(root, argv[at], argv[at + 1], &identity, &failure)) return complain(&failure);
    for (int i = at + 2; i < argc; i++)
        if (identity_add_group(root, argv[i], &identity, &failure)) return complain(&failure);
    printf("%u %u", identity.uid, identity.gid);
    for (size_t i = 0; i < identity.group_count; i++) printf(" %u", identity.groups[i]);
    return printf("\n") < 0 || fflush(stdout) ? 1 : 0;
}
