#ifndef GANTRY_MOUNT_IDMAP_H
#define GANTRY_MOUNT_IDMAP_H

#include <stdint.h>

#include "failure.h"

/*
 * Who owns files on the disk, and whose they are shown to be. `maps` is what goes to uid_map and gid_map of
 * user_namespaces(7), "DISK SHOWN COUNT" by line, with a slash between the two.
 */

/* A user namespace with these maps, as a descriptor; no process is in it. */
int idmap_namespace(const char *maps, struct failure *failure);

/* Let the files of a detached mount, and of all below it, be seen under other owners (mount_setattr(2), MOUNT_ATTR_IDMAP). */
int mount_idmap(int tree, const char *maps, struct failure *failure);

/* Where a map (the part before the slash, or the one behind) takes an id; UINT32_MAX when nowhere. */
uint32_t idmap_target(const char *map, uint32_t id);

/* The reverse: which id a map takes to this one; UINT32_MAX when none. */
uint32_t idmap_source(const char *map, uint32_t id);

/* The second of the two maps. */
const char *idmap_groups(const char *maps);

#endif
