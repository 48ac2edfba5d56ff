/* Extended headers: what they say, before it is laid over the plain header that follows them. */
#ifndef GANTRY_ARCHIVE_TAR_PAX_H
#define GANTRY_ARCHIVE_TAR_PAX_H

#include "archive_tar.h"

struct tar_overrides {
    char *path, *link;
    bool has_size, has_uid, has_gid, has_mtime, has_real_size;
    uint64_t size, real_size;
    uint32_t uid, gid;
    struct timespec mtime;
    struct tar_xattr *xattrs;
    size_t xattr_count, xattr_bytes;
    /* GNU sparse: 1.0 keeps its map in the data, the older ones here. */
    bool sparse, map_in_data;
    uint64_t pending_offset;
    struct tar_extent *extents;
    size_t extent_count;
};

int pax_parse(char *text, size_t length, struct tar_overrides *overrides, struct archive_failure *failure);
void tar_overrides_free(struct tar_overrides *overrides);

/* Append to a growing array, within the bound on hostile maps. */
int tar_add_extent(struct tar_extent **extents, size_t *count, uint64_t offset, uint64_t length,
                   struct archive_failure *failure);

#endif
