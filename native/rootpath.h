/*
 * Paths inside a container's root. Every look-up is openat2(2) with RESOLVE_IN_ROOT, so that no link of the image,
 * however it is made or raced, leads outside; nothing here ever joins path strings.
 */
#ifndef GANTRY_ROOTPATH_H
#define GANTRY_ROOTPATH_H

#include <stdint.h>
#include <sys/types.h>

/* Open a path below `root` with open(2) flags. Magic links of procfs are never followed. Returns a descriptor or -1. */
int root_open(int root, const char *path, int flags);

/* The same, refusing any symbolic link on the way (ELOOP). */
int root_open_nolinks(int root, const char *path, int flags);

/* The folder at a path, O_PATH, made with its parents when absent. */
int root_make_folder(int root, const char *path, mode_t mode);

/* The folder that holds a path's last name, made when absent; `name` points at that last name within `path`. */
int root_make_parent(int root, const char *path, const char **name);

/* A mount target of the same kind as what will be mounted: folder or empty file. O_PATH. */
int root_make_target(int root, const char *path, int folder, mode_t mode);

#endif
