/*
 * hello-world: tells a person who runs their first container what just happened. Everything that differs from run to
 * run is read from the kernel, so that the text is true. No libc: the program is the whole image.
 */
#ifndef __x86_64__
#error "hello-world is written for x86-64: add the system calls of the new machine here"
#endif

enum { SYS_READ = 0, SYS_WRITE = 1, SYS_OPEN = 2, SYS_CLOSE = 3, SYS_GETPID = 39, SYS_UNAME = 63, SYS_READLINK = 89, SYS_GETUID = 102, SYS_EXIT_GROUP = 231 };

static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static unsigned long length_of(const char *text) {
    unsigned long length = 0;
    while (text[length] != 0) length++;
    return length;
}

static char output[8192];
static unsigned long used;

static void say_bytes(const char *text, unsigned long length) {
    for (unsigned long i = 0; i < length && used < sizeof output; i++) output[used++] = text[i];
}

static void say(const char *text) {
    say_bytes(text, length_of(text));
}

static void say_number(unsigned long number) {
    char digits[20];
    unsigned long at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    say_bytes(digits + at, sizeof digits - at);
}

static void flush(void) {
    for (unsigned long done = 0; done < used;) {
        long count = call(SYS_WRITE, 1, (long)(output + done), (long)(used - done));
        if (count <= 0) return;
        done += (unsigned long)count;
    }
}

/* The beginning of a file, with a zero byte behind it; empty when it cannot be read. */
static const char *contents(const char *path) {
    static char buffer[4096];
    unsigned long length = 0;
    long fd = call(SYS_OPEN, (long)path, 0, 0);
    while (fd >= 0 && length < sizeof buffer - 1) {
        long count = call(SYS_READ, fd, (long)(buffer + length), (long)(sizeof buffer - 1 - length));
        if (count <= 0) break;
        length += (unsigned long)count;
    }
    if (fd >= 0) call(SYS_CLOSE, fd, 0, 0);
    buffer[length] = 0;
    return buffer;
}

static int begins(const char *text, const char *prefix) {
    while (*prefix != 0)
        if (*text++ != *prefix++) return 0;
    return 1;
}

static const char *next_line(const char *line) {
    while (*line != 0 && *line != '\n') line++;
    return *line == 0 ? line : line + 1;
}

static const char *field(const char *line, int number) {
    while (number-- > 0) {
        while (*line != 0 && *line != ' ' && *line != '\n') line++;
        if (*line == ' ') line++;
    }
    return line;
}

static void say_until(const char *text, char end) {
    unsigned long length = 0;
    while (text[length] != 0 && text[length] != end && text[length] != '\n') length++;
    say_bytes(text, length);
}

/* The numbers of the machine's own namespaces (linux/proc_ns.h, PROC_*_INIT_INO). */
static int is_the_machines(const char *target) {
    static const char *const initial[] = {"pid:[4026531836]", "uts:[4026531838]", "ipc:[4026531839]", "cgroup:[4026531835]"};
    for (unsigned long i = 0; i < sizeof initial / sizeof *initial; i++)
        if (begins(target, initial[i])) return 1;
    return 0;
}

static void say_namespaces(void) {
    static const char *const names[] = {"mnt", "pid", "net", "uts", "ipc", "cgroup"};
    static const char *const meanings[] = {"files", "processes", "network", "hostname", "shared memory", "cgroup tree"};
    for (unsigned long i = 0; i < sizeof names / sizeof *names; i++) {
        char path[32] = "/proc/self/ns/", target[64];
        unsigned long at = length_of(path);
        for (unsigned long j = 0; names[i][j] != 0; j++) path[at++] = names[i][j];
        path[at] = 0;
        long length = call(SYS_READLINK, (long)path, (long)target, sizeof target - 1);
        if (length <= 0) continue;
        target[length] = 0;
        say("      ");
        say_bytes(target, (unsigned long)length);
        say(is_the_machines(target) ? "  the machine's view of: " : "  its own view of: ");
        say(meanings[i]);
        say("\n");
    }
}

static void say_root(void) {
    for (const char *line = contents("/proc/self/mounts"); *line != 0; line = next_line(line)) {
        if (!begins(field(line, 1), "/ ")) continue;
        say("      / is of the type ");
        say_until(field(line, 2), ' ');
        say(": the image's layers below, an empty layer for this container's changes on top\n");
        return;
    }
}

static void say_cgroup(void) {
    const char *chosen = "";
    for (const char *line = contents("/proc/self/cgroup"); *line != 0; line = next_line(line))
        if (*chosen == 0 || begins(line, "0::")) chosen = line;
    if (*chosen == 0) return;
    say("      seen from here: ");
    say_until(chosen, '\n');
    say("\n");
}

static void say_status(void) {
    const char *text = contents("/proc/self/status");
    for (const char *line = text; *line != 0; line = next_line(line)) {
        if (!begins(line, "CapEff:") && !begins(line, "Seccomp:") && !begins(line, "NoNewPrivs:")) continue;
        say("      ");
        say_until(line, '\n');
        say("\n");
    }
}

static void tell(void) {
    static char names[6][65];
    say("\nHello from Gantry!\n\n");
    say("You are reading the output of a program of a few kilobytes that ran alone in a container. What happened:\n\n");
    say("  1.  The client asked the daemon, through its socket, to run the image \"hello-world\".\n");
    say("  2.  The daemon found the image (it ships with Gantry): a config, and one layer with one file, /hello.\n");
    say("  3.  It unpacked the layer and laid the container's root over it.\n");
    say_root();
    say("  4.  A small helper made a process with namespaces of its own:\n");
    say_namespaces();
    say("  5.  It put the process into a cgroup, where its memory and processor time are counted and limited.\n");
    say_cgroup();
    say("  6.  It gave up what a container must not have: capabilities, and system calls by a filter.\n");
    say_status();
    say("  7.  It executed /hello, which is process ");
    say_number((unsigned long)call(SYS_GETPID, 0, 0, 0));
    say(" here, as user ");
    say_number((unsigned long)call(SYS_GETUID, 0, 0, 0));
    if (call(SYS_UNAME, (long)names, 0, 0) == 0) {
        say(", on the host named ");
        say(names[1]);
        say(" (Linux ");
        say(names[2]);
        say(", the one kernel that all containers share)");
    }
    say(".\n  8.  Its output went through the helper into the container's log, and to you.\n\n");
    say("Try next:\n");
    say("  gantry run -it --rm busybox          a shell in a container of its own\n");
    say("  gantry ps -a                         all containers, this one too unless --rm was given\n");
    say("  gantry logs CONTAINER                what this one said, once more\n\n");
}

__attribute__((noreturn, used, force_align_arg_pointer)) void _start(void) {
    tell();
    flush();
    for (;;) call(SYS_EXIT_GROUP, 0, 0, 0);
}
