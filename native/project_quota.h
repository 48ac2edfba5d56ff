/*
 * Project quotas of ext4 and xfs: files with a project's number count together and share a limit (quotactl(2),
 * xfs_quota(8)). A folder with FS_XFLAG_PROJINHERIT hands its number to what is made in it.
 */
#ifndef GANTRY_PROJECT_QUOTA_H
#define GANTRY_PROJECT_QUOTA_H

#include <stdint.h>

/* What the file system of a folder does for projects. */
enum quota_state { QUOTA_ABSENT, QUOTA_COUNTED, QUOTA_ENFORCED };

struct quota_use {
    uint64_t limit_bytes; /* 0: none */
    uint64_t used_bytes;
};

/* `folder` is an open descriptor on the file system in question, not O_PATH, in all of these. They return -1 with errno. */
int quota_state(int folder, enum quota_state *state);
/* The first number from `first` on that nothing is counted with and that has no limit. */
int quota_first_unused(int folder, uint32_t first, uint32_t *unused);
/* Limit a project to so many bytes, rounded up to whole KiB; 0 lifts the limit. What is above it already stays. */
int quota_limit(int folder, uint32_t project, uint64_t bytes);
int quota_use(int folder, uint32_t project, struct quota_use *use);
/* Put the folder itself and what will be made in it into the project. What is in it already stays where it is. */
int quota_assign(int folder, uint32_t project);

#endif
