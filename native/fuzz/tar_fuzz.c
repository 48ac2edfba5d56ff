/* libFuzzer on the tar reader: every entry, its names, extended attributes and sparse map, and the cleaning of names. */
#include <stdlib.h>
#include <string.h>

#include "../archive_tar.h"
#include "../archive_tree.h"
#include "memory_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What every reader of an entry relies on. */
static void check_entry(const struct tar_entry *entry) {
    uint64_t end = 0, sum = 0;
    if (!entry->path || !entry->link || entry->mode > 07777 || entry->padding >= TAR_BLOCK) abort();
    for (size_t i = 0; i < entry->extent_count; i++) {
        const struct tar_extent *extent = &entry->extents[i];
        if (extent->offset < end || extent->offset > entry->size || extent->length > entry->size - extent->offset) abort();
        end = extent->offset + extent->length;
        sum += extent->length;
    }
    if (entry->sparse && sum != entry->stored) abort();
    for (size_t i = 0; i < entry->xattr_count; i++)
        if (!entry->xattrs[i].name || !entry->xattrs[i].value) abort();
}

/* A clean name has no part that is empty, "." or "..", and does not begin with a slash. */
static void check_name(const char *raw) {
    static char path[PATH_MAX];
    struct archive_failure failure = {0};
    if (tree_clean(raw, path, &failure) < 0) return;
    const char *part = path;
    if (*part == 0) return;
    for (;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) abort();
        if (part[length] == 0) return;
        part += length + 1;
    }
}

static void read_archive(const uint8_t *bytes, size_t size, bool repair) {
    struct archive_failure failure = {0};
    struct archive_source *source = memory_source_open(bytes, size, repair, &failure);
    if (!source) return;
    for (;;) {
        struct tar_entry entry;
        int got = tar_next(source, &entry, &failure);
        if (got > 0) {
            check_entry(&entry);
            check_name(entry.path);
            check_name(entry.link);
            if (source_skip(source, entry.stored + entry.padding) < 0) got = -1;
        }
        if (got < 0 && failure.code == 0) abort();
        tar_entry_free(&entry);
        if (got <= 0) break;
    }
    source_close(source);
}

/* As it is, and with the checksums right, without which little would come past the first header. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    read_archive(bytes, size, false);
    read_archive(bytes, size, true);
    return 0;
}
