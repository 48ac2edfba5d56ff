#include "overlay_notes.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

int in_user_namespace(void) {
    static int known = -1;
    if (known >= 0) return known;
    char text[128] = "";
    unsigned inside = 0, outside = 0, count = 0;
    AUTO_FD fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return 0;
    /* The first namespace maps all ids to themselves. */
    known = sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 || count != 4294967295u;
    return known;
}

const char *overlay_opaque_attribute(void) {
    return in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

int is_overlay_note(const char *name) {
    return strncmp(name, "trusted.overlay.", 16) == 0 || (in_user_namespace() && strncmp(name, "user.overlay.", 13) == 0);
}
