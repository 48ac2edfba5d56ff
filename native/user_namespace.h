/*
 * A process that is to run in a user namespace: what has to be done for it by the shim, which stays outside. In there
 * nobody may look up the host's paths, change owners of mounts, make device nodes or raise limits.
 */
#ifndef GANTRY_USER_NAMESPACE_H
#define GANTRY_USER_NAMESPACE_H

#include <linux/sched.h>
#include <sys/types.h>

#include "failure.h"
#include "plan.h"

struct made_mount;

/* Whether the plan's process enters a user namespace, a new one or another process's. */
int user_namespace_entered(const struct plan *plan);

/* Whether it joins another process's. */
const struct operation *user_namespace_joined(const struct plan *plan);

/* The host's ids of root in the namespace; -1 when the plan does not say. */
void user_namespace_root(const struct plan *plan, uid_t *uid, gid_t *gid);

/*
 * Make the mounts of the plan whose sources are the host's, into made[index of the operation]. `place` is a folder that
 * things can be mounted on meanwhile, in a mount namespace that nobody else sees. Does nothing for a plan without a user
 * namespace whose layers are not another's either, or when this process itself may not mount: then it is left to the new process.
 */
int user_namespace_mounts(const struct plan *plan, const char *place, struct made_mount *made, struct failure *failure);

/*
 * Be the namespace's root to file systems, up to execve(2): for who stays outside and makes files in layers that have
 * its owners. Nothing for a plan whose process enters the namespace, or that has no such layers.
 */
int user_namespace_act_as_root(const struct plan *plan, struct failure *failure);

/*
 * Put this process into a user namespace as the plan's OP_ID_MAP has it, as its root; nothing without such an operation.
 * Owners of files are from then on what the plan's process would see and say.
 */
int user_namespace_enter(const struct plan *plan, struct failure *failure);

/*
 * clone3(2) for a plan that joins another process's user namespace and has new namespaces besides: these are to belong to
 * that user namespace, so the new process is made from within it, by one in between that ends at once. Its parent is
 * this process all the same. Gives its number, and 0 in itself; namespaces of processes are joined here as well.
 */
long user_namespace_clone(const struct plan *plan, const struct clone_args *args, struct failure *failure);

/* Whether that is so for a plan. */
int user_namespace_is_shared(const struct plan *plan);

/* OP_ID_MAP for the process `pid`. */
int user_namespace_map(const struct operation *op, pid_t pid, struct failure *failure);

/*
 * OP_RLIMIT and OP_OOM_SCORE_ADJ for the process `pid`, which could not do it by itself. Returns 1 when what was asked
 * for was lowered to what the engine has.
 */
int user_namespace_limit(const struct operation *op, pid_t pid, struct failure *failure);

#endif
