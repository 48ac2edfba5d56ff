/* The unpacking of an archive that is no layer, for other modes than unpack itself. */
#ifndef GANTRY_UNPACK_PLAIN_H
#define GANTRY_UNPACK_PLAIN_H

#include "archive_failure.h"

/* Unpack the archive at `archive`'s position (plain or compressed) into the open folder. Both stay the caller's. */
int unpack_plain(int archive, int folder, struct archive_failure *failure);

#endif
