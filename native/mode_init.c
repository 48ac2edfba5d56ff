/*
 * docker-init -- PROGRAM [ARG]...
 *
 * --init of a container that another runtime makes: this program is mounted into it under that name, and its runtime executes
 * it as the first process. What it does is told in init.h. Exit codes as a shell's: 127 no such program, 126 none to execute.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init.h"
#include "modes.h"

enum { NOT_FOUND = 127, NOT_EXECUTABLE = 126 };

int mode_init(int argc, char **argv) {
    struct failure failure = {0};
    char **program = argv + (argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1);
    if (argc == 0 || *program == NULL) {
        fputs("usage: docker-init -- PROGRAM [ARG]...\n", stderr);
        return 2;
    }
    size_t title = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
    if (init_split(argv[0], title, &failure)) {
        fprintf(stderr, "docker-init: %s: %s\n", failure.detail, strerror(failure.error));
        return NOT_EXECUTABLE;
    }
    execvp(*program, program);
    int code = errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
    fprintf(stderr, "docker-init: exec %s failed: %s\n", *program, strerror(errno));
    return code;
}
