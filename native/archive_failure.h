/* How the archive modes report: one line for the person, one exit code for the program. */
#ifndef GANTRY_ARCHIVE_FAILURE_H
#define GANTRY_ARCHIVE_FAILURE_H

/* The kernel refused something that should work: no space, no permission. */
#define ARCHIVE_SYSTEM 1
/* The archive is corrupt, cut short or hostile (EX_DATAERR of sysexits.h). */
#define ARCHIVE_BAD 65
/* A parent is missing and the layers below are not known yet: try again when they are (EX_TEMPFAIL). */
#define ARCHIVE_NEEDS_PARENTS 75

struct archive_failure {
    int code;
    char text[768];
};

/* Keep the first failure; always returns -1, so that a caller can `return archive_fail(...)`. */
int archive_fail(struct archive_failure *failure, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the sentence of `error_number` behind it. */
int archive_fail_errno(struct archive_failure *failure, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Copy `name` with control characters and backslashes as \xNN, so that a hostile name cannot paint on a terminal. */
const char *archive_printable(const char *name, char *buffer, unsigned long size);

#endif
