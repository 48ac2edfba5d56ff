#ifndef GANTRY_FUZZ_MEMORY_SOURCE_H
#define GANTRY_FUZZ_MEMORY_SOURCE_H

#include "../archive_tar.h"

/* `repair`: every block that is read alone, as headers are, gets the checksum that it should have. */
struct archive_source *memory_source_open(const unsigned char *bytes, size_t size, bool repair,
                                          struct archive_failure *failure);

#endif
