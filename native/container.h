/* The new process, from its birth to execve(2): the container phase of a plan. */
#ifndef GANTRY_CONTAINER_H
#define GANTRY_CONTAINER_H

#include <stddef.h>

#include "failure.h"
#include "mounts.h"
#include "plan.h"

/* What passes over the socket pair between the new process and the shim, one packet each. */
enum sync_kind { SYNC_GO, SYNC_MASTER, SYNC_WARNING, SYNC_READY, SYNC_START, SYNC_FAILED, SYNC_HOOKS };

/* How many descriptors beyond stdio a process may be given. */
#define INHERITED_MORE_MAX 1024

struct sync_message {
    uint32_t kind;
    struct failure failure;
};

struct container {
    const struct plan *plan;
    /* this process's end of the socket pair */
    int sync;
    /* stdin, stdout, stderr of the process without a terminal; -1 with one */
    int stdio[3];
    /* the folder in which the root is mounted */
    const char *state_folder;
    /* what the shim made ahead, by the operation's index */
    const struct made_mount *made;
    int enters_user_namespace;
    /* it was made in one already */
    int is_in_user_namespace;
    /* argv and envp, made before the clone; envp has one free slot at its end for HOME */
    char **arguments;
    char **environment;
    uint32_t environment_count;
    /* the shim's own argv, which an init does not show */
    char *title;
    size_t title_size;
    /* where the word to start comes from when the shim does not stay; else -1 */
    int start_listener;
};

/* Never returns: the process becomes the program, or reports why not and ends. */
_Noreturn void container_main(struct container *container);

#endif
