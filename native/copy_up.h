#ifndef GANTRY_COPY_UP_H
#define GANTRY_COPY_UP_H

/*
 * Fill an empty volume: when the folder `destination` has no entries, copy what is in the folder `source` into it (both
 * may be O_PATH), with owners, modes, times, links, devices and extended attributes. Links are copied, never followed.
 * Of several callers at the same time one copies and the others wait for it: `above` is what they lock, the folder above
 * the volume, which no container sees to hold it; -1 when nobody else can know the destination.
 * Returns 0, or -1 with errno.
 */
int copy_up(int source, int destination, int above);

#endif
