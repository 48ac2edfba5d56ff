/*
 * Owners of files that lie on the disk as a user namespace's, where no mount can show them as others (idmapped mounts need
 * Linux 5.19 for layers, and a file system that takes part). An id of the container stands on the disk as its id on the
 * host; an id that is none of the container's stands as it is, and so does one that has been taken to the host already: both
 * ways can be gone twice. The daemon says which ids these are in the environment of unpack, pack and files.
 */
#ifndef GANTRY_OWNERS_H
#define GANTRY_OWNERS_H

#include <stddef.h>
#include <sys/types.h>

/* The maps of uid_map and gid_map of user_namespaces(7), with a slash between the two (mount_idmap.h). */
#define OWNERS_VARIABLE "GANTRY_STORED_OWNERS"

/* Heed the environment from here on. Without this, and without the variable, every owner is what it is. */
void owners_read(void);

uid_t owners_disk_uid(uid_t shown);
gid_t owners_disk_gid(gid_t shown);
uid_t owners_shown_uid(uid_t disk);
gid_t owners_shown_gid(gid_t disk);

/* Bytes of the largest security.capability (struct vfs_ns_cap_data of linux/capability.h). */
enum { OWNERS_CAPABILITY_BYTES = 24 };

/*
 * What security.capability is on the disk: only one that names the namespace's root (version 3) counts in a user namespace.
 * `value` and `length` are let point to `room` when it has to be another than it is. Other attributes are left alone.
 */
void owners_capability_to_disk(const char *name, const void **value, size_t *length, unsigned char room[OWNERS_CAPABILITY_BYTES]);

/* The reverse, in place: gives the new length. */
size_t owners_capability_from_disk(const char *name, void *value, size_t length);

#endif
