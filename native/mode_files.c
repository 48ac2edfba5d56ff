/*
 * gantry-shim files list|stat|digest|read|copy [--source DIR]... [--lower DIR]... [--upper DIR [--work DIR]]
 *
 * Looks at file trees made of layers and writes into them, for a builder that has no container at hand. list, stat,
 * digest and read look at the tree of the --source folders (topmost first) and take names from stdin, each ended with NUL;
 * copy writes into the tree of --lower, --upper and --work what the records on stdin say (files_copy.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_failure.h"
#include "files_copy.h"
#include "files_view.h"
#include "files_walk.h"
#include "modes.h"
#include "owners.h"

static int usage(void) {
    fputs("usage: gantry-shim files list|stat|digest|read|copy [--source DIR]... [--lower DIR]... [--upper DIR [--work DIR]]\n", stderr);
    return 2;
}

static int add_lower(struct view_folders *folders, const char *folder) {
    if (folders->lower_count == VIEW_MAX_LOWER) return -1;
    folders->lower[folders->lower_count++] = folder;
    return 0;
}

/* All of stdin, with a NUL behind it that does not count. */
static char *read_input(size_t *size, struct archive_failure *failure) {
    size_t room = 1 << 16;
    char *bytes = malloc(room);
    *size = 0;
    while (bytes != NULL) {
        ssize_t count = read(STDIN_FILENO, bytes + *size, room - *size - 1);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) archive_fail_errno(failure, errno, "read of the names");
        if (count <= 0) break;
        *size += (size_t)count;
        if (room - *size > 1) continue;
        char *grown = realloc(bytes, room *= 2);
        if (grown == NULL) free(bytes);
        bytes = grown;
    }
    if (bytes == NULL) archive_fail_errno(failure, ENOMEM, "memory for the names");
    else bytes[*size] = 0;
    return bytes;
}

static void look(int root, const char *names, size_t size, int (*what)(int, const char *, struct archive_failure *),
                 struct archive_failure *failure) {
    for (const char *name = names; name != NULL && name < names + size && failure->code == 0; name += strlen(name) + 1)
        what(root, name, failure);
}

int mode_files(int argc, char **argv) {
    static struct view_folders source, tree;
    struct archive_failure failure = {0};
    if (argc < 2) return usage();
    for (int at = 2; at < argc; at += 2) {
        if (at + 1 == argc) return usage();
        int bad = 0;
        if (strcmp(argv[at], "--source") == 0) bad = add_lower(&source, argv[at + 1]);
        else if (strcmp(argv[at], "--lower") == 0) bad = add_lower(&tree, argv[at + 1]);
        else if (strcmp(argv[at], "--upper") == 0) tree.upper = argv[at + 1];
        else if (strcmp(argv[at], "--work") == 0) tree.work = argv[at + 1];
        else bad = -1;
        if (bad < 0) return usage();
    }
    umask(0);
    owners_read();
    size_t size = 0;
    char *input = read_input(&size, &failure);
    int root = failure.code == 0 && source.lower_count > 0 ? view_open(&source, &failure) : -1;
    const char *command = argv[1];
    if (failure.code == 0 && strcmp(command, "copy") == 0) {
        int target = tree.upper == NULL ? -1 : view_open(&tree, &failure);
        if (target < 0 && failure.code == 0) return usage();
        if (target >= 0) files_copy(root, target, input, size, &failure);
    } else if (failure.code == 0) {
        if (root < 0) return usage();
        if (strcmp(command, "list") == 0) look(root, input, size, files_list, &failure);
        else if (strcmp(command, "stat") == 0) look(root, input, size, files_stat, &failure);
        else if (strcmp(command, "digest") == 0) look(root, input, size, files_digest, &failure);
        else if (strcmp(command, "read") == 0) look(root, input, size, files_read, &failure);
        else return usage();
    }
    free(input);
    if (failure.code == 0 && fflush(stdout) != 0) archive_fail_errno(&failure, errno, "write");
    if (failure.code == 0) return 0;
    fprintf(stderr, "%s\n", failure.text);
    return failure.code;
}
