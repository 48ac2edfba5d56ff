/* Archives for tests, block by block, so that they can be wrong in any way. */
#ifndef GANTRY_TEST_TAR_WRITER_H
#define GANTRY_TEST_TAR_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct tar_writer {
    unsigned char bytes[1 << 21];
    size_t used;
};

/* A ustar header with its checksum; `size` is what it says, data is added apart. Returns the block, for tar_fix. */
unsigned char *tar_header(struct tar_writer *tar, char type, const char *name, const char *link, uint64_t size);
/* The checksum anew, after the block was changed. */
void tar_fix(unsigned char *block);
/* Bytes, padded to a whole block. */
void tar_data(struct tar_writer *tar, const void *bytes, size_t size);
/* One pax record "LENGTH KEY=VALUE\n" as an extended header of its own. */
void tar_pax(struct tar_writer *tar, const char *key, const void *value, size_t size);
void tar_file(struct tar_writer *tar, const char *name, const char *contents);
/* The two zero blocks, and the whole into a file. */
void tar_save(struct tar_writer *tar, const char *path);

#endif
