/* What a file of an archive holds: written where it is not zeros. */
#ifndef GANTRY_ARCHIVE_DATA_H
#define GANTRY_ARCHIVE_DATA_H

#include "archive_failure.h"
#include "archive_source.h"
#include "archive_tar.h"

/* Take an entry's data from the source and write it to a new file; `entry->stored` is then what is left to skip. */
int entry_write_data(struct archive_source *source, struct tar_entry *entry, int fd, struct archive_failure *failure);

#endif
