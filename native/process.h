/* What a process is allowed to be: identity, capabilities, limits, filters, and the program it becomes. */
#ifndef GANTRY_PROCESS_H
#define GANTRY_PROCESS_H

#include "failure.h"
#include "plan.h"
#include "users.h"

int process_user(int root, const struct operation *op, struct identity *identity, struct failure *failure);
int process_capabilities(const struct operation *op, struct failure *failure);
/* Returns 1 when the limit had to be clamped to what the engine may give. */
int process_rlimit(const struct operation *op, struct failure *failure);
int process_oom_score(int root, const struct operation *op, struct failure *failure);
int process_seccomp(const struct operation *op, struct failure *failure);
int process_sysctl(int root, const struct operation *op, struct failure *failure);
/* Lines for timens_offsets (time_namespaces(7)) of the namespace that this process has made for what it executes. */
int process_time_offsets(const struct operation *op, struct failure *failure);
int process_personality(const struct operation *op, struct failure *failure);
/* Keys of the session that launched the container are not its own: it gets (or, for an exec, joins) a keyring by name. */
int process_session_keyring(const struct operation *op, struct failure *failure);
int process_working_directory(int root, const struct operation *op, struct failure *failure);
/* execve with PATH search. Returns only on failure. */
int process_execute(char **arguments, char **environment, struct failure *failure);
/* The program's path after PATH search in `path` (PATH_MAX bytes), checked to be executable. */
int process_find_program(const char *name, char **environment, char *path, struct failure *failure);

#endif
