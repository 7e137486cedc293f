// What the supervisor needs of Linux's process interface, and Swift can't import.
#pragma once
#include <stdint.h>
#include <sys/types.h>

// Starts a program whose standard input is `input` and that the kernel ends when the calling thread's process ends.
// `argv` and `environment` are NULL-terminated. Returns the process id, or -errno.
pid_t proscenium_spawn(const char *path, char *const argv[], char *const environment[], int input);
