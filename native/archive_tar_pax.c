#include "archive_tar_pax.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

/* The kernel takes 64 KiB for one attribute, and no file system as much as this for a file: more cannot be honest. */
enum { MAX_XATTRS = 1024, MAX_XATTR_BYTES = 1 << 20, MAX_EXTENTS = 1 << 20 };

static int bad_record(struct archive_failure *failure) {
    return archive_fail(failure, ARCHIVE_BAD, "malformed extended header");
}

/* A decimal number that ends exactly at `end`. */
static int decimal(const char *text, const char *end, uint64_t *value) {
    if (text == end) return -1;
    uint64_t sum = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return -1;
        if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum)) return -1;
    }
    *value = sum;
    return 0;
}

static int decimal32(const char *text, const char *end, uint32_t *value) {
    uint64_t wide;
    if (decimal(text, end, &wide) < 0 || wide >= UINT32_MAX) return -1;
    *value = (uint32_t)wide;
    return 0;
}

/* Seconds with an optional sign and fraction; digits behind the ninth are cut. */
static int timestamp(const char *text, const char *end, struct timespec *value) {
    bool negative = text < end && *text == '-';
    if (negative) text++;
    const char *point = memchr(text, '.', (size_t)(end - text));
    uint64_t seconds;
    if (decimal(text, point == NULL ? end : point, &seconds) < 0 || seconds > INT64_MAX / 2) return -1;
    int64_t nanoseconds = 0, unit = 100000000;
    for (const char *digit = point == NULL ? end : point + 1; digit < end; digit++, unit /= 10) {
        if (*digit < '0' || *digit > '9') return -1;
        nanoseconds += (*digit - '0') * unit;
    }
    value->tv_sec = negative ? -(int64_t)seconds : (int64_t)seconds;
    value->tv_nsec = nanoseconds;
    if (negative && nanoseconds > 0) {
        value->tv_sec -= 1;
        value->tv_nsec = 1000000000 - nanoseconds;
    }
    return 0;
}

static int keep_string(char **slot, const char *text, size_t length, struct archive_failure *failure) {
    if (memchr(text, 0, length) != NULL) return archive_fail(failure, ARCHIVE_BAD, "a name with a zero byte");
    char *copy = strndup(text, length);
    if (copy == NULL) return archive_fail_errno(failure, errno, "memory for a name");
    free(*slot);
    *slot = copy;
    return 0;
}

static int keep_xattr(struct tar_overrides *overrides, const char *name, const char *value, const char *end,
                      struct archive_failure *failure) {
    size_t length = (size_t)(end - value);
    if (length > XATTR_SIZE_MAX) return archive_fail(failure, ARCHIVE_BAD, "extended attribute of absurd size");
    overrides->xattr_bytes += length;
    if (overrides->xattr_count == MAX_XATTRS || overrides->xattr_bytes > MAX_XATTR_BYTES)
        return archive_fail(failure, ARCHIVE_BAD, "too many extended attributes");
    struct tar_xattr *grown =
        realloc(overrides->xattrs, (overrides->xattr_count + 1) * sizeof *overrides->xattrs);
    if (grown == NULL) return archive_fail_errno(failure, errno, "memory for extended attributes");
    overrides->xattrs = grown;
    struct tar_xattr *xattr = &grown[overrides->xattr_count];
    *xattr = (struct tar_xattr){.name = strdup(name), .value = malloc(length + 1), .length = length};
    overrides->xattr_count++;
    if (xattr->name == NULL || xattr->value == NULL)
        return archive_fail_errno(failure, ENOMEM, "memory for extended attributes");
    memcpy(xattr->value, value, length);
    return 0;
}

int tar_add_extent(struct tar_extent **extents, size_t *count, uint64_t offset, uint64_t length,
                   struct archive_failure *failure) {
    if (*count == MAX_EXTENTS) return archive_fail(failure, ARCHIVE_BAD, "sparse file with too many pieces");
    if ((*count & (*count - 1)) == 0) {
        struct tar_extent *grown = realloc(*extents, (*count == 0 ? 1 : *count * 2) * sizeof **extents);
        if (grown == NULL) return archive_fail_errno(failure, errno, "memory for a sparse map");
        *extents = grown;
    }
    (*extents)[(*count)++] = (struct tar_extent){.offset = offset, .length = length};
    return 0;
}

/* GNU.sparse.map of version 0.1: offset,length,offset,length,… */
static int sparse_map(struct tar_overrides *overrides, const char *text, const char *end, struct archive_failure *failure) {
    overrides->extent_count = 0;
    uint64_t offset = 0;
    for (bool is_length = false; text < end; is_length = !is_length) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma == NULL ? end : comma;
        uint64_t number;
        if (decimal(text, stop, &number) < 0) return bad_record(failure);
        if (!is_length)
            offset = number;
        else if (tar_add_extent(&overrides->extents, &overrides->extent_count, offset, number, failure) < 0)
            return -1;
        text = comma == NULL ? end : comma + 1;
    }
    return 0;
}

static int sparse_record(struct tar_overrides *overrides, const char *key, const char *value, const char *end,
                         struct archive_failure *failure) {
    overrides->sparse = true;
    uint64_t number;
    if (strcmp(key, "name") == 0) return keep_string(&overrides->path, value, (size_t)(end - value), failure);
    if (strcmp(key, "map") == 0) return sparse_map(overrides, value, end, failure);
    if (decimal(value, end, &number) < 0) return bad_record(failure);
    if (strcmp(key, "major") == 0) {
        overrides->map_in_data = number == 1;
        return number > 1 ? archive_fail(failure, ARCHIVE_BAD, "unknown version of a sparse file") : 0;
    }
    if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
        overrides->real_size = number;
        overrides->has_real_size = true;
    } else if (strcmp(key, "offset") == 0) {
        overrides->pending_offset = number;
    } else if (strcmp(key, "numbytes") == 0) {
        return tar_add_extent(&overrides->extents, &overrides->extent_count, overrides->pending_offset, number, failure);
    }
    return 0;
}

static int record(struct tar_overrides *overrides, const char *key, const char *value, const char *end,
                  struct archive_failure *failure) {
    static const char xattr_prefix[] = "SCHILY.xattr.", sparse_prefix[] = "GNU.sparse.";
    size_t length = (size_t)(end - value);
    if (strncmp(key, xattr_prefix, sizeof xattr_prefix - 1) == 0)
        return keep_xattr(overrides, key + sizeof xattr_prefix - 1, value, end, failure);
    if (strncmp(key, sparse_prefix, sizeof sparse_prefix - 1) == 0)
        return sparse_record(overrides, key + sizeof sparse_prefix - 1, value, end, failure);
    /* An empty value withdraws a record of an earlier header (POSIX pax). */
    if (length == 0) return 0;
    if (strcmp(key, "path") == 0) {
        /* GNU.sparse.name is the true name; `path` beside it is for readers that know nothing of sparse files. */
        return overrides->sparse && overrides->path != NULL ? 0 : keep_string(&overrides->path, value, length, failure);
    }
    if (strcmp(key, "linkpath") == 0) return keep_string(&overrides->link, value, length, failure);
    int result = 0;
    if (strcmp(key, "size") == 0) {
        result = decimal(value, end, &overrides->size);
        overrides->has_size = true;
    } else if (strcmp(key, "uid") == 0) {
        result = decimal32(value, end, &overrides->uid);
        overrides->has_uid = true;
    } else if (strcmp(key, "gid") == 0) {
        result = decimal32(value, end, &overrides->gid);
        overrides->has_gid = true;
    } else if (strcmp(key, "mtime") == 0) {
        result = timestamp(value, end, &overrides->mtime);
        overrides->has_mtime = true;
    }
    return result < 0 ? bad_record(failure) : 0;
}

int pax_parse(char *text, size_t length, struct tar_overrides *overrides, struct archive_failure *failure) {
    char *end = text + length;
    while (text < end && *text != 0) {
        char *space = memchr(text, ' ', (size_t)(end - text));
        uint64_t size;
        if (space == NULL || decimal(text, space, &size) < 0) return bad_record(failure);
        if (size > (uint64_t)(end - text) || size < (uint64_t)(space - text) + 3) return bad_record(failure);
        char *stop = text + size - 1;
        char *equals = memchr(space + 1, '=', (size_t)(stop - space - 1));
        if (*stop != '\n' || equals == NULL || equals == space + 1) return bad_record(failure);
        *equals = 0;
        if (strlen(space + 1) != (size_t)(equals - space - 1)) return bad_record(failure);
        if (record(overrides, space + 1, equals + 1, stop, failure) < 0) return -1;
        text = stop + 1;
    }
    return 0;
}

void tar_overrides_free(struct tar_overrides *overrides) {
    free(overrides->path);
    free(overrides->link);
    for (size_t i = 0; i < overrides->xattr_count; i++) {
        free(overrides->xattrs[i].name);
        free(overrides->xattrs[i].value);
    }
    free(overrides->xattrs);
    free(overrides->extents);
    *overrides = (struct tar_overrides){0};
}
