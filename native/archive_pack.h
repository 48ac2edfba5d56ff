/* A folder, or one file, as a tar: of a layer as overlayfs keeps it, or of files as they are. */
#ifndef GANTRY_ARCHIVE_PACK_H
#define GANTRY_ARCHIVE_PACK_H

#include "archive_tar_write.h"

struct pack_options {
    /*
     * NULL for a layer: names without a beginning, character devices 0:0 written as whiteouts, opaque folders with their
     * marker (OCI image-spec, layer.md), all extended attributes, files with holes as such.
     * Else files as they are, for any reader of tar: every name begins with this one, mounts on the way are looked into, of
     * the extended attributes only file capabilities are kept, times are whole seconds (which need no extended header), and
     * what vanishes meanwhile is left out.
     */
    const char *prefix;
    /* Later times become this one; INT64_MAX for none. */
    int64_t latest;
};

struct pack_totals {
    uint64_t file_bytes, entries;
};

/*
 * Write the folder `root` with all that it holds, names in byte order, and the end of the archive. With a `name` only
 * what has this name in the folder, which must be no folder itself. Sockets are left out: they mean nothing without
 * their process.
 */
int pack_files(int root, const char *name, const struct pack_options *options, struct tar_output *output,
               struct pack_totals *totals);

#endif
