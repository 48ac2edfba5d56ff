/*
 * gantry-shim hold
 *
 * Be a process, and nothing more, until standard input ends: systemd(1) makes a scope around a process that is there, and the
 * container's own is made later, inside of it.
 */
#include <unistd.h>

#include "modes.h"

int mode_hold(int argc, char **argv) {
    char byte;
    (void)argc;
    (void)argv;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return 0;
}
