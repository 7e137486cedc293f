#include <elf.h>
#include <link.h>
#include <malloc.h>
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

pid_t proscenium_spawn(const char *path, char *const argv[], char *const environment[], int input) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child > 0) return child;
    // Only async-signal-safe calls from here on: other threads of the parent may have held locks.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    // What the parent ignores the child must not: ignored signals stay so over exec.
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    // Its own group, so that Ctrl-C at the terminal reaches the supervisor alone, which ends its children in order.
    setpgid(0, 0);
    if (dup2(input, 0) < 0) _exit(127);
    close_range(3, ~0U, 0);
    execve(path, argv, environment);
    _exit(127);
}

pid_t proscenium_spawn_worker(
    const char *path, char *const argv[], char *const environment[], const int descriptors[], int count) {
    if (count < 1 || count > 16) return -EINVAL;
    // Copied above the numbers that they get, so that none is overwritten before it is moved.
    int copies[16];
    for (int at = 0; at < count; at++) {
        copies[at] = fcntl(descriptors[at], F_DUPFD_CLOEXEC, 64);
        if (copies[at] < 0) {
            int error = errno;
            while (at-- > 0) close(copies[at]);
            return -error;
        }
    }
    pid_t parent = getpid();
    // The parent's memory is large and in use: vfork copies none of it. The child only makes system calls.
    pid_t child = vfork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(127);
        for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, 0);
        setpgid(0, 0);
        for (int at = 0; at < count; at++)
            if (dup2(copies[at], at) < 0) _exit(127);
        close_range((unsigned)count, ~0U, 0);
        execve(path, argv, environment);
        _exit(127);
    }
    int error = errno;
    for (int at = 0; at < count; at++) close(copies[at]);
    return child < 0 ? -error : child;
}

int proscenium_shared_memory(const char *name, long bytes) {
    int made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) return -errno;
    if (ftruncate(made, bytes) == 0 && fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return made;
    int error = errno;
    close(made);
    return -error;
}

int proscenium_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int proscenium_nameless_file(const char *folder) {
    int made = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made >= 0) return made;
    // Not every file system can: a name that is gone at once does the same.
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/.XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) return -ENAMETOOLONG;
    made = mkostemp(path, O_CLOEXEC);
    if (made < 0) return -errno;
    unlink(path);
    return made;
}

void proscenium_keep_memory_small(int mapped_from, int pools) {
    mallopt(M_MMAP_THRESHOLD, mapped_from);
    mallopt(M_ARENA_MAX, pools);
}

// Lets go of the pages of one object's code and constants. What the linker writes to, and locks then, lies in writable segments.
static int let_go_of_object(struct dl_phdr_info *object, size_t size, void *sum) {
    (void)size;
    // The program itself has no name, and what the kernel gives has no path.
    if (object->dlpi_name[0] != '\0' && object->dlpi_name[0] != '/') return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int at = 0; at < object->dlpi_phnum; at++)
        if (object->dlpi_phdr[at].p_type == PT_DYNAMIC) {
            const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[at].p_vaddr);
            // Code that was written to is not what the file has.
            for (; entry->d_tag != DT_NULL; entry++)
                if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL))) return 0;
        }
    for (int at = 0; at < object->dlpi_phnum; at++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[at];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        uintptr_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
        // Whole pages: its neighbours may have the first and the last.
        start = (start + page - 1) / page * page;
        end = end / page * page;
        if (start < end && madvise((void *)start, end - start, MADV_DONTNEED) == 0) *(long *)sum += (long)(end - start);
    }
    return 0;
}

long proscenium_let_go_of_files(void) {
    long sum = 0;
    // Nothing is loaded or unloaded meanwhile.
    dl_iterate_phdr(let_go_of_object, &sum);
    return sum;
}
