/* What a plan must fulfil beyond its form, so that the executor never meets a value that it would have to ignore. */
#ifndef GANTRY_PLAN_CHECK_H
#define GANTRY_PLAN_CHECK_H

#include "plan.h"

/* Returns NULL, or a sentence that says why the plan is refused. */
const char *plan_check(const struct plan *plan);

/* The same of a plan that launches nothing by itself. */
const char *plan_check_part(const struct plan *plan);

#endif
