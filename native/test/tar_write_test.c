#include <fcntl.h>
#include <unistd.h>

#include "../archive_tar_write.h"
#include "check.h"

static struct tar_output output;
static struct archive_failure failure;

static void begin(void) {
    failure.code = 0;
    output.used = 0;
    output.failure = &failure;
    output.fd = open("archive.tar", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(output.fd >= 0);
}

/* The entry as the reader understands what the writer wrote. */
static struct tar_entry read_back(const struct tar_entry *entry, const void *data) {
    struct tar_entry got;
    begin();
    CHECK_NUMBER(tar_write_header(&output, entry), 0);
    CHECK_NUMBER(output_write(&output, data, entry->stored), 0);
    CHECK_NUMBER(output_zeros(&output, (TAR_BLOCK - entry->stored % TAR_BLOCK) % TAR_BLOCK), 0);
    CHECK_NUMBER(tar_write_end(&output), 0);
    close(output.fd);
    int fd = open("archive.tar", O_RDONLY | O_CLOEXEC);
    struct archive_source *source = source_open(fd, -1, SOURCE_UNLIMITED, &failure);
    CHECK(source != NULL);
    if (tar_next(source, &got, &failure) != 1) test_fail(__FILE__, __LINE__, "%s", failure.text);
    CHECK_NUMBER(source_skip(source, got.stored + got.padding), 0);
    struct tar_entry end;
    CHECK_NUMBER(tar_next(source, &end, &failure), 0);
    source_close(source);
    close(fd);
    return got;
}

static void check_same(const struct tar_entry *a, const struct tar_entry *b) {
    CHECK_NUMBER(a->type, b->type);
    CHECK_NUMBER(a->mode, b->mode);
    CHECK_NUMBER(a->uid, b->uid);
    CHECK_NUMBER(a->gid, b->gid);
    CHECK_NUMBER(a->mtime.tv_sec, b->mtime.tv_sec);
    CHECK_NUMBER(a->mtime.tv_nsec, b->mtime.tv_nsec);
    CHECK_NUMBER(a->size, b->size);
    CHECK_TEXT(a->link, b->link);
    CHECK_NUMBER(a->xattr_count, b->xattr_count);
    for (size_t i = 0; i < a->xattr_count; i++) {
        CHECK_TEXT(a->xattrs[i].name, b->xattrs[i].name);
        CHECK_NUMBER(a->xattrs[i].length, b->xattrs[i].length);
        CHECK(memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].length) == 0);
    }
    CHECK_NUMBER(a->extent_count, b->extent_count);
    for (size_t i = 0; i < a->extent_count; i++) {
        CHECK_NUMBER(a->extents[i].offset, b->extents[i].offset);
        CHECK_NUMBER(a->extents[i].length, b->extents[i].length);
    }
}

TEST_WITH_LEAKS(tar_write_what_fits_the_plain_header) {
    char path[] = "folder/file", link[] = "";
    const struct tar_entry entry = {.type = TAR_FILE, .path = path, .link = link, .mode = 04755, .uid = 1000, .gid = 07777777, .mtime = {.tv_sec = 1}, .size = 3, .stored = 3};
    struct tar_entry got = read_back(&entry, "abc");
    check_same(&got, &entry);
    CHECK_TEXT(got.path, path);
    tar_entry_free(&got);
    char *bytes = test_read("archive.tar");
    CHECK_TEXT(bytes, path);
    CHECK(memcmp(bytes + 257, "ustar\00000", 8) == 0);
    CHECK(memcmp(bytes + 512, "abc", 3) == 0);
    free(bytes);
}

TEST_WITH_LEAKS(tar_write_what_needs_an_extended_header) {
    static char path[4000], link[4000];
    char name_a[] = "user.a", name_b[] = "security.capability";
    unsigned char value[] = "\0\n=\1", none[] = "";
    struct tar_xattr xattrs[] = {{name_a, value, 4}, {name_b, none, 0}};
    for (size_t length = 90; length < 120; length++) {
        memset(path, 'p', length);
        path[length] = 0;
        memset(link, 'l', length + 1);
        link[length + 1] = 0;
        const struct tar_entry entry = {.type = TAR_SYMLINK, .path = path, .link = link, .mode = 0777, .uid = 4000000000u, .gid = 4000000001u,
                                        .mtime = {.tv_sec = -3, .tv_nsec = 250000000}, .xattrs = xattrs, .xattr_count = 2};
        struct tar_entry got = read_back(&entry, "");
        check_same(&got, &entry);
        CHECK_TEXT(got.path, path);
        tar_entry_free(&got);
    }
}

/* The length of a record counts its own digits: where they become one more is the place for a mistake. */
TEST_WITH_LEAKS(tar_write_records_of_every_length) {
    static char path[1100];
    char link[] = "";
    for (size_t length = 101; length < 1010; length += length % 100 == 90 ? 1 : length % 100 < 10 || length % 100 > 85 ? 1 : 15) {
        memset(path, 'p', length);
        path[length] = 0;
        const struct tar_entry entry = {.type = TAR_FIFO, .path = path, .link = link};
        struct tar_entry got = read_back(&entry, "");
        CHECK_TEXT(got.path, path);
        tar_entry_free(&got);
    }
}

TEST_WITH_LEAKS(tar_write_names_that_are_not_ascii) {
    char path[] = "\xd0\xbf\xff", link[] = "\xd0\xb0";
    const struct tar_entry entry = {.type = TAR_HARDLINK, .path = path, .link = link};
    struct tar_entry got = read_back(&entry, "");
    CHECK_TEXT(got.path, path);
    CHECK_TEXT(got.link, link);
    tar_entry_free(&got);
}

TEST_WITH_LEAKS(tar_write_folders_end_with_a_slash) {
    char path[] = "a/b", link[] = "";
    const struct tar_entry entry = {.type = TAR_DIRECTORY, .path = path, .link = link, .mode = 01777};
    struct tar_entry got = read_back(&entry, "");
    CHECK_NUMBER(got.type, TAR_DIRECTORY);
    CHECK_TEXT(got.path, "a/b/");
    tar_entry_free(&got);
}

TEST_WITH_LEAKS(tar_write_devices) {
    char path[] = "null", link[] = "";
    const struct tar_entry entry = {.type = TAR_CHARACTER, .path = path, .link = link, .major = 1, .minor = 3};
    struct tar_entry got = read_back(&entry, "");
    CHECK_NUMBER(got.major, 1);
    CHECK_NUMBER(got.minor, 3);
    tar_entry_free(&got);
}

TEST_WITH_LEAKS(tar_write_sparse_files) {
    char path[] = "sparse", link[] = "";
    static struct tar_extent extents[200];
    for (size_t count = 0; count < 200; count += 33) {
        uint64_t stored = 0;
        for (size_t i = 0; i < count; i++) {
            extents[i] = (struct tar_extent){.offset = i * 1000000007, .length = i % 3};
            stored += i % 3;
        }
        const struct tar_entry entry = {.type = TAR_FILE, .path = path, .link = link, .sparse = true, .size = 1ull << 40, .stored = stored, .extents = extents, .extent_count = count};
        static const char data[600];
        struct tar_entry got = read_back(&entry, data);
        check_same(&got, &entry);
        CHECK_TEXT(got.path, path);
        CHECK(got.sparse);
        tar_entry_free(&got);
    }
}

TEST_WITH_LEAKS(tar_write_to_a_full_disk_is_told) {
    char path[] = "x", link[] = "";
    const struct tar_entry entry = {.type = TAR_FIFO, .path = path, .link = link};
    begin();
    close(output.fd);
    output.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK_NUMBER(tar_write_header(&output, &entry), 0);
    CHECK_NUMBER(tar_write_end(&output), -1);
    CHECK_NUMBER(failure.code, ARCHIVE_SYSTEM);
    CHECK_CONTAINS(failure.text, "No space left");
}
