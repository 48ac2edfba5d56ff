#ifndef GANTRY_MOUNT_IDMAP_H
#define GANTRY_MOUNT_IDMAP_H

#include "failure.h"

/*
 * Let the files of a detached mount be seen under other owners. `maps` is what goes to uid_map and gid_map of
 * user_namespaces(7), the two behind each other with a '/' between them: owner on the disk, owner in the mount, count.
 */
int mount_idmap(int tree, const char *maps, struct failure *failure);

#endif
