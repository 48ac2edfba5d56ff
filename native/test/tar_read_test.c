#include <fcntl.h>
#include <unistd.h>

#include "../archive_tar.h"
#include "check.h"
#include "tar_writer.h"

static struct tar_writer tar;
static struct archive_failure failure;
static struct archive_source *source;
static struct tar_entry entry;

static void open_archive(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    failure.code = 0;
    source = source_open(fd, -1, SOURCE_UNLIMITED, &failure);
    CHECK(source != NULL);
}

static void begin_reading(void) {
    tar_save(&tar, "archive.tar");
    open_archive("archive.tar");
}

static int next(void) {
    tar_entry_free(&entry);
    return tar_next(source, &entry, &failure);
}

static int next_and_skip(void) {
    int got = next();
    return got > 0 && source_skip(source, entry.stored + entry.padding) < 0 ? -1 : got;
}

static void end_reading(void) {
    tar_entry_free(&entry);
    source_close(source);
}

/* The archive is refused, with these words. */
static void check_refused(const char *why) {
    int got;
    begin_reading();
    while ((got = next_and_skip()) > 0) {
    }
    if (got == 0) test_fail(__FILE__, __LINE__, "accepted, and not refused with \"%s\"", why);
    CHECK_NUMBER(failure.code, ARCHIVE_BAD);
    CHECK_CONTAINS(failure.text, why);
    end_reading();
    tar.used = 0;
}

TEST_WITH_LEAKS(tar_read_plain_entries) {
    char data[6] = "";
    tar_header(&tar, '5', "d/", "", 0);
    tar_file(&tar, "d/file", "hello");
    tar_header(&tar, '2', "d/link", "file", 0);
    tar_header(&tar, '1', "d/hard", "d/file", 5);
    begin_reading();
    CHECK_NUMBER(next(), 1);
    CHECK_NUMBER(entry.type, TAR_DIRECTORY);
    CHECK_TEXT(entry.path, "d/");
    CHECK_NUMBER(next(), 1);
    CHECK_NUMBER(entry.type, TAR_FILE);
    CHECK_NUMBER(entry.mode, 0644);
    CHECK_NUMBER(entry.mtime.tv_sec, 01750);
    CHECK_NUMBER(entry.size, 5);
    CHECK_NUMBER(entry.padding, 507);
    CHECK_NUMBER(source_read(source, data, 5), 1);
    CHECK_TEXT(data, "hello");
    CHECK_NUMBER(source_skip(source, entry.padding), 0);
    CHECK_NUMBER(next(), 1);
    CHECK_NUMBER(entry.type, TAR_SYMLINK);
    CHECK_TEXT(entry.link, "file");
    CHECK_NUMBER(next(), 1);
    CHECK_NUMBER(entry.type, TAR_HARDLINK);
    CHECK_NUMBER(entry.stored, 0);
    CHECK_NUMBER(next(), 0);
    end_reading();
}

TEST_WITH_LEAKS(tar_read_pax_records) {
    static const char long_name[] = "a/long/name/\xd0\x9f that is over a hundred bytes, which the header of the old format has no room for, and so it is here";
    tar_pax(&tar, "path", long_name, strlen(long_name));
    tar_pax(&tar, "mtime", "1700000000.123456789", 20);
    tar_pax(&tar, "uid", "3000000", 7);
    tar_pax(&tar, "gid", "3000001", 7);
    tar_pax(&tar, "SCHILY.xattr.user.note", "a\0b", 3);
    tar_pax(&tar, "comment", "nobody needs it", 15);
    tar_file(&tar, "short", "x");
    tar_pax(&tar, "mtime", "-1.25", 5);
    tar_pax(&tar, "path", "", 0);
    tar_file(&tar, "after", "");
    begin_reading();
    CHECK_NUMBER(next_and_skip(), 1);
    CHECK_TEXT(entry.path, long_name);
    CHECK_NUMBER(entry.mtime.tv_sec, 1700000000);
    CHECK_NUMBER(entry.mtime.tv_nsec, 123456789);
    CHECK_NUMBER(entry.uid, 3000000);
    CHECK_NUMBER(entry.gid, 3000001);
    CHECK_NUMBER(entry.xattr_count, 1);
    CHECK_TEXT(entry.xattrs[0].name, "user.note");
    CHECK_NUMBER(entry.xattrs[0].length, 3);
    CHECK(memcmp(entry.xattrs[0].value, "a\0b", 3) == 0);
    CHECK_NUMBER(next_and_skip(), 1);
    CHECK_TEXT(entry.path, "after");
    CHECK_NUMBER(entry.mtime.tv_sec, -2);
    CHECK_NUMBER(entry.mtime.tv_nsec, 750000000);
    CHECK_NUMBER(next(), 0);
    end_reading();
}

TEST_WITH_LEAKS(tar_read_gnu_long_names_and_large_numbers) {
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    tar_header(&tar, 'L', "././@LongLink", "", sizeof name);
    tar_data(&tar, name, sizeof name);
    unsigned char *block = tar_header(&tar, '0', "cut", "", 0);
    memcpy(block + 257, "ustar  ", 8);
    memcpy(block + 108, "\x80\0\0\0\0\x2d\xc6\xc0", 8);
    memcpy(block + 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
    tar_fix(block);
    begin_reading();
    CHECK_NUMBER(next(), 1);
    CHECK_TEXT(entry.path, name);
    CHECK_NUMBER(entry.uid, 3000000);
    CHECK_NUMBER(entry.mtime.tv_sec, -2);
    end_reading();
}

TEST_WITH_LEAKS(tar_read_prefix_of_ustar) {
    unsigned char *block = tar_header(&tar, '0', "name", "", 0);
    memcpy(block + 345, "some/folder", 11);
    tar_fix(block);
    begin_reading();
    CHECK_NUMBER(next(), 1);
    CHECK_TEXT(entry.path, "some/folder/name");
    end_reading();
}

TEST_WITH_LEAKS(tar_read_every_seed_to_its_end) {
    static const char *const seeds[] = {"gnu", "pax", "ustar", "v7", "sparse-gnu", "sparse-0.0", "sparse-0.1", "sparse-1.0"};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[1024];
        int got, entries = 0;
        snprintf(path, sizeof path, "%s/fuzz/seeds/tar/%s.tar", getenv("GANTRY_NATIVE"), seeds[i]);
        open_archive(path);
        while ((got = next_and_skip()) > 0) {
            entries++;
            if (strncmp(seeds[i], "sparse", 6) != 0) continue;
            CHECK_TEXT(entry.path, "d/sparse");
            CHECK_NUMBER(entry.size, 102400);
            CHECK(entry.sparse && entry.extent_count >= 1 && entry.stored < 102400);
        }
        CHECK_NUMBER(got, 0);
        CHECK(entries >= 1);
        end_reading();
    }
}

TEST_WITH_LEAKS(tar_read_archive_cut_short_at_every_byte) {
    tar_pax(&tar, "path", "name", 4);
    tar_file(&tar, "x", "contents");
    size_t whole = tar.used;
    for (size_t size = 1; size < whole; size += size % 512 == 1 ? 254 : 1) {
        int got;
        if (size % 512 == 0) continue;
        test_write("archive.tar", tar.bytes, size);
        open_archive("archive.tar");
        while ((got = next_and_skip()) > 0) {
        }
        CHECK_NUMBER(got, -1);
        CHECK_CONTAINS(failure.text, "unexpected end");
        end_reading();
        if (size % 512 > 300) size = (size + 511) / 512 * 512 - 1;
    }
}

TEST_WITH_LEAKS(tar_read_headers_that_are_wrong) {
    tar_header(&tar, '0', "x", "", 0)[0] = 'y';
    check_refused("invalid tar header");
    tar_header(&tar, 'Q', "x", "", 0);
    check_refused("unsupported type of entry 'Q'");
    tar_header(&tar, '\x1b', "x", "", 0);
    check_refused("unsupported type of entry '?'");
    static const struct {
        unsigned offset;
        const char *bytes;
        unsigned size;
        const char *why;
    } fields[] = {
        {100, "000x644", 7, "invalid tar header"},
        {108, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "invalid tar header"},
        {116, "\x80\0\0\1\0\0\0\0", 8, "invalid tar header"},
        {124, "9", 1, "invalid tar header"},
        {124, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "invalid tar header"},
        {124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "absurd size"},
        {124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, "absurd size"},
        {124, "77777777777", 11, "unexpected end"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        unsigned char *block = tar_header(&tar, '0', "x", "", 0);
        memcpy(block + fields[i].offset, fields[i].bytes, fields[i].size);
        tar_fix(block);
        check_refused(fields[i].why);
    }
}

static void raw_pax(const char *records, size_t size) {
    tar_header(&tar, 'x', "PaxHeader", "", size);
    tar_data(&tar, records, size);
    tar_file(&tar, "x", "");
}

TEST_WITH_LEAKS(tar_read_pax_records_that_are_wrong) {
    static const char *const wrong[] = {
        "x",           "12",           "12 ",         "9 path=a",      "99 path=ab\n", "11 path=ab",   "11 pathXab\n",
        "8 =abcd\n",   "2 \n",         "3 =\n",       "0 a=b\n",         "-6 a=b\n",      "18446744073709551616 a=b\n",     "10 uid=x1\n",
        "9 uid=-1\n",  "18 uid=4294967295\n", "11 size=-1\n", "30 size=99999999999999999999\n", "13 mtime=1.x\n", "9 mtime=\n\n", "11 mtime=-\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        raw_pax(wrong[i], strlen(wrong[i]));
        begin_reading();
        int got = next_and_skip();
        if (got >= 0) test_fail(__FILE__, __LINE__, "\"%s\" was accepted", wrong[i]);
        CHECK_CONTAINS(failure.text, "malformed extended header");
        end_reading();
        tar.used = 0;
    }
    raw_pax("12 path=a\0b\n", 12);
    check_refused("zero byte");
    raw_pax("12 pa\0th=ab\n", 12);
    check_refused("malformed extended header");
}

TEST_WITH_LEAKS(tar_read_extended_headers_of_absurd_size) {
    tar_header(&tar, 'x', "PaxHeader", "", (1 << 20) + 1);
    check_refused("absurd size");
    tar_header(&tar, 'L', "././@LongLink", "", (1 << 16) + 1);
    check_refused("absurd size");
    unsigned char *block = tar_header(&tar, 'K', "././@LongLink", "", 0);
    memset(block + 124, 0xff, 12);
    tar_fix(block);
    check_refused("absurd size");
}

/* The kernel takes 64 KiB; an archive may not make the reader keep a thousand times as much, or more than that in sum. */
TEST_WITH_LEAKS(tar_read_extended_attributes_of_absurd_size) {
    static char value[70000];
    tar_pax(&tar, "SCHILY.xattr.user.large", value, 65537);
    tar_file(&tar, "x", "");
    check_refused("extended attribute");
    for (int i = 0; i < 17; i++) {
        char key[64];
        sprintf(key, "SCHILY.xattr.user.%d", i);
        tar_pax(&tar, key, value, 65536);
    }
    tar_file(&tar, "x", "");
    check_refused("extended attributes");
    for (int i = 0; i < 1025; i++) tar_pax(&tar, "SCHILY.xattr.user.many", "", 0);
    tar_file(&tar, "x", "");
    check_refused("extended attributes");
}

static void sparse(const char *map, const char *size, const char *data) {
    tar_pax(&tar, "GNU.sparse.major", "0", 1);
    tar_pax(&tar, "GNU.sparse.size", size, strlen(size));
    tar_pax(&tar, "GNU.sparse.map", map, strlen(map));
    tar_file(&tar, "x", data);
}

TEST_WITH_LEAKS(tar_read_sparse_maps_that_are_wrong) {
    sparse("0,2,8,2", "10", "abcd");
    begin_reading();
    CHECK_NUMBER(next(), 1);
    CHECK_NUMBER(entry.extent_count, 2);
    CHECK_NUMBER(entry.size, 10);
    end_reading();
    tar.used = 0;
    static const struct {
        const char *map, *size, *data, *why;
    } wrong[] = {
        {"8,2,0,2", "10", "abcd", "out of order"},
        {"0,2,1,2", "10", "abcd", "out of order"},
        {"0,2,9,2", "10", "abcd", "out of bounds"},
        {"0,18446744073709551615", "10", "abcd", "out of bounds"},
        {"18446744073709551615,1", "10", "a", "out of order or out of bounds"},
        {"9223372036854775807,9223372036854775807", "9223372036854775807", "", "out of bounds"},
        {"0,2", "10", "abcd", "does not fit"},
        {"0,4", "10", "ab", "does not fit"},
        {"0,x", "10", "ab", "malformed"},
        {"0,2", "9223372036854775808", "ab", "without its size"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sparse(wrong[i].map, wrong[i].size, wrong[i].data);
        check_refused(wrong[i].why);
    }
}

TEST_WITH_LEAKS(tar_read_sparse_map_in_the_data_that_is_wrong) {
    static const char *const wrong[] = {"", "x\n", "\n", "1\n0\n", "99999999999\n0\n0\n", "1\n9999999999999999999999\n1\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tar_pax(&tar, "GNU.sparse.major", "1", 1);
        tar_pax(&tar, "GNU.sparse.realsize", "10", 2);
        tar_file(&tar, "x", wrong[i]);
        check_refused("sparse map");
    }
    tar_pax(&tar, "GNU.sparse.major", "2", 1);
    tar_file(&tar, "x", "");
    check_refused("unknown version");
}

TEST_WITH_LEAKS(tar_read_compressed_archive_that_is_corrupt) {
    static const unsigned char gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    test_write("archive.tar", gzip, sizeof gzip);
    open_archive("archive.tar");
    CHECK_NUMBER(next(), -1);
    CHECK_NUMBER(failure.code, ARCHIVE_BAD);
    end_reading();
}

TEST_WITH_LEAKS(tar_read_nothing_at_all) {
    test_write("archive.tar", "", 0);
    open_archive("archive.tar");
    CHECK_NUMBER(next(), 0);
    char digest[65];
    uint64_t size;
    CHECK_NUMBER(source_finish(source, digest, &size), 0);
    CHECK_TEXT(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    end_reading();
}
