#include <malloc.h>
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

// What a mapping of /proc/self/smaps is, as its first line says; 0 if it is not code or constants of a file.
static int is_of_a_file(const char *line, unsigned long *start, unsigned long *end) {
    char rights[5];
    int path = 0;
    if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", start, end, rights, &path) != 3 || path == 0) return 0;
    return rights[0] == 'r' && rights[1] == '-' && rights[3] == 'p' && line[path] == '/';
}

long proscenium_let_go_of_files(void) {
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps) return -errno;
    char *line = NULL;
    size_t room = 0;
    unsigned long start = 0, end = 0;
    int is_candidate = 0;
    long resident = 0, gone = 0, kilobytes;
    while (getline(&line, &room, maps) > 0) {
        unsigned long first, last;
        char rights;
        if (sscanf(line, "%lx-%lx %c", &first, &last, &rights) == 3) {
            is_candidate = is_of_a_file(line, &start, &end);
        } else if (sscanf(line, "Rss: %ld", &kilobytes) == 1) {
            resident = kilobytes;
        } else if (is_candidate && sscanf(line, "Anonymous: %ld", &kilobytes) == 1) {
            // What has pages of its own was written to (the linker's tables): those are in no file.
            if (kilobytes == 0 && resident > 0 && madvise((void *)start, end - start, MADV_DONTNEED) == 0)
                gone += resident << 10;
            is_candidate = 0;
        }
    }
    free(line);
    fclose(maps);
    return gone;
}
