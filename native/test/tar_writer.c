#include "tar_writer.h"

#include "check.h"

void tar_fix(unsigned char *block) {
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

unsigned char *tar_header(struct tar_writer *tar, char type, const char *name, const char *link, uint64_t size) {
    unsigned char *block = tar->bytes + tar->used;
    CHECK(tar->used + 512 <= sizeof tar->bytes);
    tar->used += 512;
    memset(block, 0, 512);
    memcpy(block, name, strnlen(name, 100));
    memcpy(block + 157, link, strnlen(link, 100));
    memcpy(block + 100, "0000644\0000000000\0000000000", 23);
    snprintf((char *)block + 124, 12, "%011llo", (unsigned long long)size);
    memcpy(block + 136, "00000001750", 11);
    block[156] = (unsigned char)type;
    memcpy(block + 257, "ustar\00000", 8);
    tar_fix(block);
    return block;
}

void tar_data(struct tar_writer *tar, const void *bytes, size_t size) {
    size_t padded = (size + 511) / 512 * 512;
    CHECK(padded <= sizeof tar->bytes - tar->used);
    memset(tar->bytes + tar->used, 0, padded);
    if (size) memcpy(tar->bytes + tar->used, bytes, size);
    tar->used += padded;
}

void tar_pax(struct tar_writer *tar, const char *key, const void *value, size_t size) {
    char *record = malloc(size + strlen(key) + 32);
    CHECK(record != NULL);
    size_t rest = strlen(key) + size + 3, total = rest, digits;
    do {
        digits = (size_t)snprintf(record, 24, "%zu", total);
        total = rest + digits;
    } while (strlen(record) != (size_t)snprintf(record, 24, "%zu", total));
    size_t at = (size_t)sprintf(record, "%zu %s=", total, key);
    if (size) memcpy(record + at, value, size);
    record[at + size] = '\n';
    tar_header(tar, 'x', "PaxHeader", "", total);
    tar_data(tar, record, total);
    free(record);
}

void tar_file(struct tar_writer *tar, const char *name, const char *contents) {
    tar_header(tar, '0', name, "", strlen(contents));
    tar_data(tar, contents, strlen(contents));
}

void tar_save(struct tar_writer *tar, const char *path) {
    static const char zeros[1024];
    tar_data(tar, zeros, sizeof zeros);
    test_write(path, tar->bytes, tar->used);
}
