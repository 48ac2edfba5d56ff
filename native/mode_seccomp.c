/*
 * gantry-shim seccomp: compile a filter with libseccomp. Lines on stdin, the program (struct sock_filter[]) on stdout:
 *   default ACTION ERRNO
 *   arch NAME                                     (beside the native one)
 *   rule ACTION ERRNO SYSCALL [INDEX OP VALUE VALUE2]...
 * ACTION: allow, errno, kill, kill_process, trap, trace, log. OP: NE LT LE EQ GE GT MASKED_EQ. System calls that this
 * libseccomp does not know are passed over, as Docker does.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "modes.h"

#define MAX_INPUT (1u << 20)
#define MAX_WORDS 32

static char text[MAX_INPUT];

static int complain(const char *why, const char *subject) {
    char line[512] = "gantry-shim seccomp: ";
    append_text(line, sizeof line, why);
    append_text(line, sizeof line, " ");
    append_text(line, sizeof line, subject);
    append_text(line, sizeof line, "\n");
    (void)!write(STDERR_FILENO, line, strlen(line));
    return 1;
}

static int parse_action(const char *name, const char *number, uint32_t *action) {
    static const struct {
        const char *name;
        uint32_t action;
    } actions[] = {{"allow", SCMP_ACT_ALLOW}, {"kill", SCMP_ACT_KILL_THREAD}, {"kill_process", SCMP_ACT_KILL_PROCESS},
                   {"trap", SCMP_ACT_TRAP},   {"log", SCMP_ACT_LOG}};
    uint16_t value = (uint16_t)strtoul(number, NULL, 10);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0) {
            *action = actions[i].action;
            return 0;
        }
    if (strcmp(name, "errno") == 0) *action = SCMP_ACT_ERRNO(value);
    else if (strcmp(name, "trace") == 0) *action = SCMP_ACT_TRACE(value);
    else return -1;
    return 0;
}

static int parse_operator(const char *name, enum scmp_compare *operator) {
    static const struct {
        const char *name;
        enum scmp_compare operator;
    } operators[] = {{"NE", SCMP_CMP_NE}, {"LT", SCMP_CMP_LT}, {"LE", SCMP_CMP_LE}, {"EQ", SCMP_CMP_EQ},
                     {"GE", SCMP_CMP_GE}, {"GT", SCMP_CMP_GT}, {"MASKED_EQ", SCMP_CMP_MASKED_EQ}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(name, operators[i].name) == 0) {
            *operator = operators[i].operator;
            return 0;
        }
    return -1;
}

static int add_rule(scmp_filter_ctx filter, char **words, int count) {
    struct scmp_arg_cmp arguments[6];
    unsigned argument_count = 0;
    uint32_t action;
    if (count < 4 || (count - 4) % 4 || count > 4 + 6 * 4 || parse_action(words[1], words[2], &action)) return -EINVAL;
    int number = seccomp_syscall_resolve_name(words[3]);
    if (number == __NR_SCMP_ERROR) return 0;
    for (int i = 4; i < count; i += 4) {
        struct scmp_arg_cmp *argument = &arguments[argument_count++];
        argument->arg = (unsigned)strtoul(words[i], NULL, 10);
        if (argument->arg > 5 || parse_operator(words[i + 1], &argument->op)) return -EINVAL;
        argument->datum_a = strtoull(words[i + 2], NULL, 10);
        argument->datum_b = strtoull(words[i + 3], NULL, 10);
    }
    int result = seccomp_rule_add_array(filter, action, number, argument_count, arguments);
    /* A rule with the default action, or for a call that an added architecture lacks, changes nothing. */
    return result == -EACCES || result == -EDOM || result == -EEXIST ? 0 : result;
}

static int split(char *line, char **words) {
    int count = 0;
    for (char *word = strtok(line, " "); word && count < MAX_WORDS; word = strtok(NULL, " ")) words[count++] = word;
    return count;
}

static int apply(scmp_filter_ctx *filter, char *line) {
    char *words[MAX_WORDS];
    uint32_t action;
    int count = split(line, words);
    if (count == 0) return 0;
    if (strcmp(words[0], "default") == 0) {
        if (*filter || count != 3 || parse_action(words[1], words[2], &action)) return -EINVAL;
        *filter = seccomp_init(action);
        if (!*filter) return -ENOMEM;
        /* A tree over the numbers: the cost of a call no longer grows with the length of the list. */
        (void)seccomp_attr_set(*filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        return 0;
    }
    if (!*filter) return -EINVAL;
    if (strcmp(words[0], "arch") == 0 && count == 2) {
        uint32_t arch = seccomp_arch_resolve_name(words[1]);
        int result = arch ? seccomp_arch_add(*filter, arch) : -EINVAL;
        return result == -EEXIST ? 0 : result;
    }
    return strcmp(words[0], "rule") == 0 ? add_rule(*filter, words, count) : -EINVAL;
}

int mode_seccomp(int argc, char **argv) {
    (void)argv;
    size_t size = 0;
    ssize_t got;
    if (argc != 1) return complain("takes no arguments", "");
    while (size < sizeof text - 1 && (got = read(STDIN_FILENO, text + size, sizeof text - 1 - size)) > 0) size += (size_t)got;
    text[size] = 0;
    scmp_filter_ctx filter = NULL;
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        int more = *end != 0;
        *end = 0;
        char copy[256] = "";
        append_text(copy, sizeof copy, line);
        int error = apply(&filter, line);
        if (error) return complain(strerror(-error), copy);
        line = end + more;
    }
    if (!filter) return complain("no default action", "");
    int error = seccomp_export_bpf(filter, STDOUT_FILENO);
    seccomp_release(filter);
    return error ? complain(strerror(-error), "export") : 0;
}
