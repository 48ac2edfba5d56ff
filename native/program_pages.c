#include "program_pages.h"

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

void release_program_pages(void) {
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (unsigned long i = 0; segment && i < getauxval(AT_PHNUM); i++) {
        if (segment[i].p_type != PT_LOAD || segment[i].p_flags & PF_W) continue;
        size_t start = (segment[i].p_vaddr + page - 1) / page * page;
        size_t end = (segment[i].p_vaddr + segment[i].p_memsz) / page * page;
        if (end > start) (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
}
