/* Looking at a view: names with attributes, and digests of contents. Fields end with NUL. */
#ifndef GANTRY_FILES_WALK_H
#define GANTRY_FILES_WALK_H

#include "archive_failure.h"

/*
 * The tree at `base` (links on the way are followed), each folder before what it holds, names in byte order:
 *   B PATH   the true name of the base (without slashes around; "" for the root), or
 *   M PATH   nothing is there
 * then for each entry
 *   f|d|l|c|b|p|s MODE UID GID SIZE MTIME-SECONDS MTIME-NANOSECONDS INODE DEVICE PATH LINK
 * MODE octal; INODE 0 for a file with one name; DEVICE as MAJOR:MINOR; LINK empty for all but links.
 */
int files_list(int root, const char *base, struct archive_failure *failure);

/* The same, of the base alone. */
int files_stat(int root, const char *base, struct archive_failure *failure);

/* SHA-256 in hexadecimal of a file's content and extended attributes. `path` is a true name. */
int files_digest(int root, const char *path, struct archive_failure *failure);

/* LENGTH and content of a file of at most 1 MiB, links followed; LENGTH "-" when it is not there. */
int files_read(int root, const char *path, struct archive_failure *failure);

#endif
