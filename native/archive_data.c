#include "archive_data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { HOLE = 16 << 10 };

static int write_all(int fd, const unsigned char *bytes, size_t length, uint64_t offset, struct archive_failure *failure) {
    while (length > 0) {
        ssize_t count = pwrite(fd, bytes, length, (off_t)offset);
        if (count < 0) {
            if (errno == EINTR) continue;
            return archive_fail_errno(failure, errno, "write");
        }
        bytes += count;
        length -= (size_t)count;
        offset += (uint64_t)count;
    }
    return 0;
}

static bool all_zero(const unsigned char *bytes, size_t length) {
    return *bytes == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* The bytes in front of the first whole piece of zeros. */
static size_t before_hole(const unsigned char *bytes, size_t length, uint64_t offset) {
    for (size_t at = (HOLE - offset % HOLE) % HOLE; at + HOLE <= length; at += HOLE)
        if (all_zero(bytes + at, HOLE)) return at;
    return length;
}

/* Whole pieces of zeros are left out of a new file, so that one that was sparse before it came into a layer is so again. */
static int write_around_holes(int fd, const unsigned char *bytes, size_t length, uint64_t offset, struct archive_failure *failure) {
    while (length > 0) {
        size_t part = before_hole(bytes, length, offset);
        if (part == 0) part = HOLE;
        else if (write_all(fd, bytes, part, offset, failure) < 0) return -1;
        bytes += part;
        length -= part;
        offset += part;
    }
    return 0;
}

static int write_extent(struct archive_source *source, struct tar_entry *entry, int fd, uint64_t offset, uint64_t length,
                        struct archive_failure *failure) {
    while (length > 0) {
        const unsigned char *bytes;
        int64_t available = source_peek(source, &bytes);
        if (available < 0) return -1;
        if (available == 0) return archive_fail(failure, ARCHIVE_BAD, "unexpected end of the archive");
        size_t part = (uint64_t)available < length ? (size_t)available : (size_t)length;
        if (write_around_holes(fd, bytes, part, offset, failure) < 0) return -1;
        source_take(source, part);
        offset += part;
        length -= part;
        entry->stored -= part;
    }
    return 0;
}

int entry_write_data(struct archive_source *source, struct tar_entry *entry, int fd, struct archive_failure *failure) {
    if (!entry->sparse && write_extent(source, entry, fd, 0, entry->size, failure) < 0) return -1;
    /* A hole at the end is no write. */
    bool may_have_holes = entry->sparse || entry->size >= HOLE;
    if (may_have_holes && ftruncate(fd, (off_t)entry->size) < 0) return archive_fail_errno(failure, errno, "ftruncate");
    for (size_t i = 0; i < entry->extent_count; i++)
        if (write_extent(source, entry, fd, entry->extents[i].offset, entry->extents[i].length, failure) < 0) return -1;
    return 0;
}
