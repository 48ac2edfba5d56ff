/* Docker's --user words looked up in the root's own /etc/passwd and /etc/group (passwd(5), group(5)). */
#ifndef GANTRY_USERS_H
#define GANTRY_USERS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

#define MAX_GROUPS 1024

struct identity {
    uid_t uid;
    gid_t gid;
    size_t group_count;
    gid_t groups[MAX_GROUPS];
    /* home folder of the passwd entry, "/" when there is none */
    char home[PATH_MAX];
};

/*
 * Numbers that no entry has are taken as they are (group 0 when none is given). An empty `group` means the primary
 * group of the user, and then the groups that list the user are added. Fails with ENOENT and a detail of
 * "user NAME" or "group NAME" for a name that is not there.
 */
int identity_by_name(int root, const char *user, const char *group, struct identity *identity, struct failure *failure);

/* `--group-add`: one more group by name or number. */
int identity_add_group(int root, const char *group, struct identity *identity, struct failure *failure);

/* Home of a numeric user; "/" when there is no entry. */
int identity_find_home(int root, struct identity *identity, struct failure *failure);

#endif
