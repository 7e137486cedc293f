#include "process.h"

#include <errno.h>
#include <signal.h>
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
