#ifndef GANTRY_PROGRAM_PAGES_H
#define GANTRY_PROGRAM_PAGES_H

/*
 * The launch, and then moving output, touched most of the program; waiting needs little of it. Let go of the mapped file pages: what is
 * needed comes back from the page cache, and a waiting shim costs a few hundred kilobytes instead of over a thousand.
 */
void release_program_pages(void);

#endif
