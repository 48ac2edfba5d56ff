/* Owner, mode, times and extended attributes of files that are open or in an open parent. */
#ifndef GANTRY_ARCHIVE_ATTRIBUTES_H
#define GANTRY_ARCHIVE_ATTRIBUTES_H

#include "archive_tar.h"
#include "archive_tree.h"

/* Mark a folder as hiding everything below it in lower layers (overlayfs). */
int attributes_set_opaque(int fd, struct archive_failure *failure);

/* Everything but times, of an open file or folder. `fresh`: root has just made it, with the entry's mode. */
int attributes_apply_open(int fd, const struct tar_entry *entry, bool fresh, bool inherited_group,
                          struct archive_failure *failure);

/* Everything, of what is not opened for it: links of both kinds, devices, fifos. */
int attributes_apply_named(const struct tree_place *place, const struct tar_entry *entry,
                           struct archive_failure *failure);

/* Owner, mode and extended attributes of one open folder onto another. */
int attributes_copy(int from, int to, struct archive_failure *failure);

#endif
