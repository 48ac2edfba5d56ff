/*
 * Writing into a view what a list of records says. The records are decided elsewhere, entry by entry; nothing here
 * walks or matches. Fields end with NUL; numbers are decimal, MODE is octal.
 *   T PATH NAME                               where the entries after it go: PATH with its links followed, with NAME
 *                                             behind it when that is a folder (NAME may be empty)
 *   P PATH MODE UID GID                       a folder with its missing parents; links are followed
 *   D PATH MODE UID GID SECONDS NANOS SET     a folder; SET 0 leaves one that is there as it is
 *   F SOURCE PATH MODE UID GID                a file of the source with its attributes and time
 *   L PATH LINK UID GID SECONDS NANOS         a symbolic link
 *   H PATH EARLIER                            one more name of a file below the same T
 *   N PATH TYPE MODE UID GID DEVICE SECONDS NANOS   a fifo or device: p, c or b; DEVICE as MAJOR:MINOR
 *   U SOURCE PATH                             an archive of the source, unpacked into a folder
 * PATHs behind T are below its target, "" being the target itself; no link below it is followed. What is in an
 * entry's way is replaced, but no folder by anything else and nothing else by a folder.
 */
#ifndef GANTRY_FILES_COPY_H
#define GANTRY_FILES_COPY_H

#include <stddef.h>

#include "archive_failure.h"

/* `records` ends with NUL. `source` -1 when no record names one. */
int files_copy(int source, int root, const char *records, size_t size, struct archive_failure *failure);

#endif
