#include "archive_tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tar_pax.h"

/* More than any honest writer needs, small enough that a hostile one cannot fill the memory. */
enum { MAX_EXTENDED_HEADER = 1 << 20, MAX_LONG_NAME = 1 << 16 };

struct field {
    unsigned offset, length;
};
static const struct field NAME = {0, 100}, MODE = {100, 8}, UID = {108, 8}, GID = {116, 8}, SIZE = {124, 12},
                          MTIME = {136, 12}, CHECKSUM = {148, 8}, LINK = {157, 100}, MAJOR = {329, 8},
                          MINOR = {337, 8}, PREFIX = {345, 155}, GNU_REAL_SIZE = {483, 12};
enum { TYPE_FLAG = 156, MAGIC = 257, GNU_MAP = 386, GNU_MAP_ENTRIES = 4, GNU_EXTENDED = 482, MAP_ENTRIES = 21, MAP_EXTENDED = 504 };

static int bad_header(struct archive_failure *failure) {
    return archive_fail(failure, ARCHIVE_BAD, "invalid tar header");
}

/* Octal digits, or base-256 when the first bit is set (GNU, star). Negative only in base-256. */
static int number(const unsigned char *block, struct field field, int64_t *value) {
    const unsigned char *at = block + field.offset, *end = at + field.length;
    if ((*at & 0x80) != 0) {
        bool negative = (*at & 0x40) != 0;
        uint64_t sum = negative ? UINT64_MAX : 0;
        for (unsigned i = 0; i < field.length; i++) {
            unsigned char byte = i == 0 ? (unsigned char)(negative ? *at | 0x80 : *at & 0x7f) : at[i];
            if ((sum >> 56) != (negative ? 0xffu : 0u)) return -1;
            sum = sum << 8 | byte;
        }
        if ((sum >> 63 != 0) != negative) return -1;
        *value = (int64_t)sum;
        return 0;
    }
    while (at < end && (*at == ' ' || *at == 0)) at++;
    int64_t sum = 0;
    for (; at < end && *at != ' ' && *at != 0; at++) {
        if (*at < '0' || *at > '7' || sum > INT64_MAX / 8 - 8) return -1;
        sum = sum * 8 + (*at - '0');
    }
    *value = sum;
    return 0;
}

static int number32(const unsigned char *block, struct field field, uint32_t *value) {
    int64_t wide;
    if (number(block, field, &wide) < 0 || wide < 0 || wide >= UINT32_MAX) return -1;
    *value = (uint32_t)wide;
    return 0;
}

static bool checksum_holds(const unsigned char *block) {
    int64_t wanted, with_sign = 0, without_sign = 0;
    if (number(block, CHECKSUM, &wanted) < 0) return false;
    for (unsigned i = 0; i < TAR_BLOCK; i++) {
        unsigned char byte = i >= CHECKSUM.offset && i < CHECKSUM.offset + CHECKSUM.length ? ' ' : block[i];
        without_sign += byte;
        with_sign += (signed char)byte;
    }
    return wanted == without_sign || wanted == with_sign;
}

static bool all_zero(const unsigned char *block) {
    return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

static char *field_string(const unsigned char *block, struct field field) {
    return strndup((const char *)block + field.offset, field.length);
}

static char *header_path(const unsigned char *block) {
    bool ustar = memcmp(block + MAGIC, "ustar\0", 6) == 0;
    if (!ustar || block[PREFIX.offset] == 0) return field_string(block, NAME);
    char *path = calloc(1, PREFIX.length + NAME.length + 2);
    if (path == NULL) return NULL;
    memcpy(path, block + PREFIX.offset, PREFIX.length);
    size_t used = strlen(path);
    path[used] = '/';
    memcpy(path + used + 1, block + NAME.offset, NAME.length);
    return path;
}

/* The data of an extended header, with a zero byte behind it. */
static char *read_text(struct archive_source *source, int64_t size, int64_t limit, struct archive_failure *failure) {
    if (size < 0 || size > limit) {
        archive_fail(failure, ARCHIVE_BAD, "extended header of absurd size");
        return NULL;
    }
    size_t padded = ((size_t)size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    char *text = malloc(padded + 1);
    if (text == NULL) {
        archive_fail_errno(failure, errno, "memory for an extended header");
        return NULL;
    }
    int got = padded == 0 ? 1 : source_read(source, text, padded);
    if (got <= 0) {
        archive_fail(failure, ARCHIVE_BAD, "unexpected end of the archive");
        free(text);
        return NULL;
    }
    text[size] = 0;
    return text;
}

static int old_sparse_map(struct archive_source *source, const unsigned char *block, struct tar_overrides *overrides,
                          struct archive_failure *failure) {
    unsigned char more[TAR_BLOCK];
    const unsigned char *map = block + GNU_MAP;
    unsigned entries = GNU_MAP_ENTRIES;
    bool extended = block[GNU_EXTENDED] != 0;
    overrides->sparse = true;
    overrides->has_real_size = true;
    int64_t real_size;
    if (number(block, GNU_REAL_SIZE, &real_size) < 0 || real_size < 0) return bad_header(failure);
    overrides->real_size = (uint64_t)real_size;
    for (;;) {
        for (unsigned i = 0; i < entries && map[i * 24] != 0; i++) {
            int64_t offset, length;
            if (number(map, (struct field){i * 24, 12}, &offset) < 0 || offset < 0) return bad_header(failure);
            if (number(map, (struct field){i * 24 + 12, 12}, &length) < 0 || length < 0) return bad_header(failure);
            if (tar_add_extent(&overrides->extents, &overrides->extent_count, (uint64_t)offset, (uint64_t)length, failure) < 0)
                return -1;
        }
        if (!extended) return 0;
        if (source_read(source, more, sizeof more) <= 0)
            return archive_fail(failure, ARCHIVE_BAD, "unexpected end of the archive");
        map = more;
        entries = MAP_ENTRIES;
        extended = more[MAP_EXTENDED] != 0;
    }
}

/* One decimal line of the map that sparse 1.0 keeps in front of the data; `taken` counts the bytes read. */
static int map_number(struct archive_source *source, struct tar_entry *entry, unsigned char *block, unsigned *at,
                      uint64_t *value, struct archive_failure *failure) {
    uint64_t sum = 0;
    for (unsigned digits = 0;; digits++) {
        if (*at == TAR_BLOCK) {
            if (entry->stored < TAR_BLOCK || source_read(source, block, TAR_BLOCK) <= 0)
                return archive_fail(failure, ARCHIVE_BAD, "sparse map cut short");
            entry->stored -= TAR_BLOCK;
            *at = 0;
        }
        unsigned char byte = block[(*at)++];
        if (byte == '\n' && digits > 0) break;
        if (byte < '0' || byte > '9' || digits > 18) return archive_fail(failure, ARCHIVE_BAD, "malformed sparse map");
        sum = sum * 10 + (uint64_t)(byte - '0');
    }
    *value = sum;
    return 0;
}

static int map_from_data(struct archive_source *source, struct tar_entry *entry, struct archive_failure *failure) {
    unsigned char block[TAR_BLOCK];
    unsigned at = TAR_BLOCK;
    uint64_t count, offset, length;
    if (map_number(source, entry, block, &at, &count, failure) < 0) return -1;
    for (uint64_t i = 0; i < count; i++) {
        if (map_number(source, entry, block, &at, &offset, failure) < 0) return -1;
        if (map_number(source, entry, block, &at, &length, failure) < 0) return -1;
        if (tar_add_extent(&entry->extents, &entry->extent_count, offset, length, failure) < 0) return -1;
    }
    return 0;
}

/* The pieces must come in order, lie inside the file, and be exactly the data that follows. */
static int check_extents(const struct tar_entry *entry, struct archive_failure *failure) {
    uint64_t end = 0, sum = 0;
    for (size_t i = 0; i < entry->extent_count; i++) {
        const struct tar_extent *extent = &entry->extents[i];
        if (extent->offset < end || extent->offset > entry->size || extent->length > entry->size - extent->offset)
            return archive_fail(failure, ARCHIVE_BAD, "sparse map out of order or out of bounds");
        end = extent->offset + extent->length;
        sum += extent->length;
    }
    return sum == entry->stored ? 0 : archive_fail(failure, ARCHIVE_BAD, "sparse map does not fit its data");
}

static int entry_type(unsigned char flag, const char *path, enum tar_type *type) {
    size_t length = strlen(path);
    switch (flag) {
        case 0:
        case '0':
        case '7':
        case 'S': /* Archives older than POSIX mark a folder only by its name. */
            *type = length > 0 && path[length - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
            return 0;
        case '1': *type = TAR_HARDLINK; return 0;
        case '2': *type = TAR_SYMLINK; return 0;
        case '3': *type = TAR_CHARACTER; return 0;
        case '4': *type = TAR_BLOCK_DEVICE; return 0;
        case '5':
        case 'D': *type = TAR_DIRECTORY; return 0;
        case '6': *type = TAR_FIFO; return 0;
        default: return -1;
    }
}

static int fill_entry(struct archive_source *source, const unsigned char *block, struct tar_overrides *overrides,
                      struct tar_entry *entry, struct archive_failure *failure) {
    int64_t size, mtime;
    unsigned char flag = block[TYPE_FLAG];
    entry->path = overrides->path != NULL ? overrides->path : header_path(block);
    overrides->path = NULL;
    entry->link = overrides->link != NULL ? overrides->link : field_string(block, LINK);
    overrides->link = NULL;
    if (entry->path == NULL || entry->link == NULL) return archive_fail_errno(failure, ENOMEM, "memory for a name");
    if (entry_type(flag, entry->path, &entry->type) < 0)
        return archive_fail(failure, ARCHIVE_BAD, "unsupported type of entry '%c'", flag >= 0x20 && flag < 0x7f ? flag : '?');
    if (number32(block, MODE, &entry->mode) < 0 || number(block, SIZE, &size) < 0 || number(block, MTIME, &mtime) < 0)
        return bad_header(failure);
    if ((!overrides->has_uid && number32(block, UID, &entry->uid) < 0) ||
        (!overrides->has_gid && number32(block, GID, &entry->gid) < 0))
        return bad_header(failure);
    if (overrides->has_uid) entry->uid = overrides->uid;
    if (overrides->has_gid) entry->gid = overrides->gid;
    entry->mode &= 07777;
    entry->mtime = overrides->has_mtime ? overrides->mtime : (struct timespec){.tv_sec = mtime};
    if (entry->type == TAR_CHARACTER || entry->type == TAR_BLOCK_DEVICE)
        if (number32(block, MAJOR, &entry->major) < 0 || number32(block, MINOR, &entry->minor) < 0) return bad_header(failure);

    uint64_t stored = overrides->has_size ? overrides->size : (uint64_t)size;
    if ((!overrides->has_size && size < 0) || stored > INT64_MAX - TAR_BLOCK)
        return archive_fail(failure, ARCHIVE_BAD, "absurd size");
    /* Only files have data; a size on anything else is decoration. */
    entry->stored = entry->type == TAR_FILE ? stored : 0;
    entry->padding = (uint32_t)((TAR_BLOCK - entry->stored % TAR_BLOCK) % TAR_BLOCK);
    entry->size = entry->stored;
    entry->xattrs = overrides->xattrs;
    entry->xattr_count = overrides->xattr_count;
    overrides->xattrs = NULL;
    overrides->xattr_count = 0;
    if (entry->type != TAR_FILE) return 0;
    if (flag == 'S' && old_sparse_map(source, block, overrides, failure) < 0) return -1;
    if (!overrides->sparse) return 0;
    if (!overrides->has_real_size || overrides->real_size > INT64_MAX)
        return archive_fail(failure, ARCHIVE_BAD, "sparse file without its size");
    entry->sparse = true;
    entry->size = overrides->real_size;
    entry->extents = overrides->extents;
    entry->extent_count = overrides->extent_count;
    overrides->extents = NULL;
    overrides->extent_count = 0;
    if (overrides->map_in_data) {
        entry->extent_count = 0;
        if (map_from_data(source, entry, failure) < 0) return -1;
    }
    return check_extents(entry, failure);
}

static int next_header(struct archive_source *source, struct tar_overrides *overrides, struct tar_entry *entry,
                       struct archive_failure *failure) {
    unsigned char block[TAR_BLOCK];
    for (;;) {
        int got = source_read(source, block, sizeof block);
        if (got <= 0) return got;
        if (all_zero(block)) return 0;
        if (!checksum_holds(block)) return archive_fail(failure, ARCHIVE_BAD, "invalid tar header");
        int64_t size;
        unsigned char flag = block[TYPE_FLAG];
        if (flag == 'x' || flag == 'X' || flag == 'g' || flag == 'L' || flag == 'K' || flag == 'V') {
            if (number(block, SIZE, &size) < 0) return bad_header(failure);
            bool name = flag == 'L' || flag == 'K';
            char *text = read_text(source, size, name ? MAX_LONG_NAME : MAX_EXTENDED_HEADER, failure);
            if (text == NULL) return -1;
            if (name) {
                char **slot = flag == 'L' ? &overrides->path : &overrides->link;
                free(*slot);
                *slot = text;
                continue;
            }
            /* Global headers carry comments (git archive); their defaults are ignored, as Docker ignores them. */
            int parsed = flag == 'x' || flag == 'X' ? pax_parse(text, (size_t)size, overrides, failure) : 0;
            free(text);
            if (parsed < 0) return -1;
            continue;
        }
        return fill_entry(source, block, overrides, entry, failure) < 0 ? -1 : 1;
    }
}

int tar_next(struct archive_source *source, struct tar_entry *entry, struct archive_failure *failure) {
    *entry = (struct tar_entry){0};
    struct tar_overrides overrides = {0};
    int result = next_header(source, &overrides, entry, failure);
    tar_overrides_free(&overrides);
    return result;
}

void tar_entry_free(struct tar_entry *entry) {
    free(entry->path);
    free(entry->link);
    free(entry->extents);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
    *entry = (struct tar_entry){0};
}
