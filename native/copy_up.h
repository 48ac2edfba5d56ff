#ifndef GANTRY_COPY_UP_H
#define GANTRY_COPY_UP_H

/*
 * Fill an empty volume: when the folder `destination` has no entries, copy what is in the folder `source` (O_PATH) into
 * it, with owners, modes, times, links, devices and extended attributes. Links are copied, never followed.
 * Of several callers at the same time one copies and the others wait for it.
 * Returns 0, or -1 with errno.
 */
int copy_up(int source, const char *destination);

#endif
