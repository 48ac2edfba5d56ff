/*
 * gantry-shim pack [--tar FILE | --digest] [--latest SECONDS] FOLDER...
 *
 * The reverse of unpack: a folder as overlayfs keeps a layer becomes a layer tar on stdout (archive_pack.h). The same
 * folder gives the same bytes.
 *
 * --tar writes the tar to FILE, --digest nowhere; both print `sha256:HEX TAR-BYTES FILE-BYTES ENTRIES` as unpack does.
 * Of several folders, topmost first, what an overlay of them shows is written.
 * --latest: no time in the tar or in the folder stays later (reproducible builds: SOURCE_DATE_EPOCH).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive_pack.h"
#include "files_view.h"
#include "modes.h"
#include "owners.h"

static int usage(void) {
    fputs("usage: gantry-shim pack [--tar FILE | --digest] [--latest SECONDS] FOLDER...\n", stderr);
    return 2;
}

/* stdout is the archive's own without --tar and --digest. */
static int print_digest(struct tar_output *output, const struct pack_totals *totals) {
    unsigned char hash[SHA256_DIGEST_SIZE];
    sha256_digest(&output->hash, sizeof hash, hash);
    printf("sha256:");
    for (size_t i = 0; i < sizeof hash; i++) printf("%02x", hash[i]);
    printf(" %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", output->size, totals->file_bytes, totals->entries);
    return fflush(stdout) == 0 ? 0 : ARCHIVE_SYSTEM;
}

int mode_pack(int argc, char **argv) {
    static struct tar_output output;
    static struct view_folders folders;
    struct archive_failure failure = {0};
    struct pack_options options = {.latest = INT64_MAX};
    struct pack_totals totals = {0};
    bool digest = false;
    int at = 1;
    output.fd = STDOUT_FILENO;
    owners_read();
    output.failure = &failure;
    sha256_init(&output.hash);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--digest") == 0 && !digest) {
            digest = true;
            output.fd = -1;
        } else if (strcmp(argv[at], "--tar") == 0 && !digest && at + 1 < argc) {
            digest = true;
            output.fd = open(argv[++at], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (output.fd < 0) archive_fail_errno(&failure, errno, "%.400s", argv[at]);
        } else if (strcmp(argv[at], "--latest") == 0 && at + 1 < argc) {
            char *end;
            options.latest = strtoll(argv[++at], &end, 10);
            if (*end != 0 || options.latest < 0) return usage();
        } else
            return usage();
    }
    if (at == argc || argc - at > VIEW_MAX_LOWER) return usage();
    while (at < argc) folders.lower[folders.lower_count++] = argv[at++];
    int root = failure.code == 0 ? view_open(&folders, &failure) : -1;
    if (failure.code == 0) pack_files(root, NULL, &options, &output, &totals);
    if (failure.code == 0) return digest ? print_digest(&output, &totals) : 0;
    fprintf(stderr, "%s\n", failure.text);
    return failure.code;
}
