#include <string.h>
#include <unistd.h>

#include "modes.h"

struct mode {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct mode modes[] = {
    {"launch", mode_launch},   {"standby", mode_launch}, {"unpack", mode_unpack},   {"pack", mode_pack},
    {"archive", mode_archive}, {"files", mode_files},     {"netlink", mode_netlink}, {"seccomp", mode_seccomp},
    {"netlink-watch", mode_netlink_watch}, {"names", mode_names}, {"identity", mode_identity},
    {"sync", mode_sync}, {"rootless", mode_rootless}, {"rootless-wait", mode_rootless_wait}, {"hold", mode_hold},
    {"quota", mode_quota},
};

/* The name under which a container of another runtime has it. */
static int is_init(const char *name) {
    const char *slash = strrchr(name, '/');
    return strcmp(slash ? slash + 1 : name, "docker-init") == 0;
}

int main(int argc, char **argv) {
    if (argc > 0 && is_init(argv[0])) return mode_init(argc, argv);
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(argv[1], modes[i].name) == 0) return modes[i].run(argc - 1, argv + 1);
    static const char usage[] = "usage: gantry-shim launch|standby|unpack|pack|archive|files|netlink|netlink-watch|names|identity|rootless|rootless-wait|hold|quota|seccomp|sync ...\n";
    (void)!write(STDERR_FILENO, usage, sizeof usage - 1);
    return 2;
}
