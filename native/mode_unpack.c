/*
 * gantry-shim unpack [--lower DIR]... [--parents refuse] [--plain yes] [--limit BYTES [--ratio N]] [--tar FILE] FOLDER
 *
 * A layer on stdin (plain, gzip, zstd, xz or bzip2) becomes the files of FOLDER, as overlayfs wants a layer: whiteouts
 * as character devices 0:0, opaque folders marked (OCI image-spec, layer.md). --lower, topmost first, are the layers
 * below, for the attributes of parents that the layer does not bring; with --parents refuse, when those layers are not
 * there yet, such a parent ends the work with exit code 75. --tar also writes the uncompressed bytes, all of them
 * and with their digest printed even when the layer turns out to be bad or in want of its parents: whoever writes them
 * from a stream has no second look. --plain: the
 * archive is none of a layer, names of whiteouts mean nothing in it (a build context, ADD). --limit: a tar of more bytes
 * is refused, so that a small download cannot fill the disk.
 * Prints `sha256:HEX TAR-BYTES FILE-BYTES ENTRIES`: digest (diffID) and size of the uncompressed tar.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_unpack.h"
#include "disk_limits.h"
#include "modes.h"
#include "owners.h"

enum { MAX_LOWER = 512 };

static int usage(void) {
    fputs("usage: gantry-shim unpack [--lower DIR]... [--parents refuse] [--plain yes] [--limit BYTES [--ratio N]] [--tar FILE] FOLDER\n", stderr);
    return 2;
}

static int open_folder(const char *path, struct archive_failure *failure) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) archive_fail_errno(failure, errno, "%.400s", path);
    return fd;
}

static bool is_number(const char *text) {
    return *text != 0 && strspn(text, "0123456789") == strlen(text);
}

static int lower[MAX_LOWER];

/* Gives where the folder is in argv; 0 when the usage is to be shown. */
static int parse(int argc, char **argv, struct unpack_layer *layer, struct archive_failure *failure) {
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-' && failure->code == 0; at += 2) {
        const char *option = argv[at], *value = argv[at + 1];
        if (strcmp(option, "--lower") == 0 && layer->lower_count < MAX_LOWER)
            lower[layer->lower_count++] = open_folder(value, failure);
        else if (strcmp(option, "--parents") == 0 && strcmp(value, "refuse") == 0)
            layer->lower_unknown = true;
        else if (strcmp(option, "--plain") == 0 && strcmp(value, "yes") == 0)
            layer->plain = true;
        else if (strcmp(option, "--limit") == 0 && is_number(value))
            layer->limit.bytes = strtoull(value, NULL, 10);
        else if (strcmp(option, "--ratio") == 0 && is_number(value))
            layer->limit.ratio = strtoull(value, NULL, 10);
        else if (strcmp(option, "--tar") == 0 && layer->copy < 0) {
            layer->copy = open(value, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (layer->copy < 0) archive_fail_errno(failure, errno, "%.400s", value);
        } else
            return 0;
    }
    return failure->code == 0 && at + 1 != argc ? 0 : at;
}

int mode_unpack(int argc, char **argv) {
    struct archive_failure failure = {0};
    struct unpack_layer layer = {.folder = -1, .lower = lower, .copy = -1, .limit = SOURCE_UNLIMITED};
    struct unpacked unpacked = {0};
    int at = parse(argc, argv, &layer, &failure);
    if (at == 0) return usage();
    umask(0);
    if (disk_limits_obey() < 0) archive_fail_errno(&failure, errno, "capset");
    owners_read();
    if (failure.code == 0 && (geteuid() != 0 || getegid() != 0))
        archive_fail(&failure, ARCHIVE_SYSTEM, "only root can unpack layers: they have owners and devices");
    if (failure.code == 0) layer.folder = open_folder(argv[at], &failure);
    if (failure.code == 0) unpack_layer(STDIN_FILENO, &layer, &unpacked, &failure);
    if (failure.code != 0) {
        fprintf(stderr, "%s\n", failure.text);
        if (!unpacked.whole) return failure.code;
    }
    printf("sha256:%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", unpacked.digest, unpacked.tar_bytes, unpacked.file_bytes, unpacked.entries);
    return fflush(stdout) == 0 ? failure.code : ARCHIVE_SYSTEM;
}
