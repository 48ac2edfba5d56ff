/*
 * gantry-shim sync FOLDER
 *
 * Returns when everything written so far to the folder's file system is on the disk: syncfs(2), which JavaScript has no
 * call for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "modes.h"

int mode_sync(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: gantry-shim sync FOLDER\n", stderr);
        return 2;
    }
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && syncfs(fd) == 0) return 0;
    fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
    return 1;
}
