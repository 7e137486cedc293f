// What the supervisor needs of Linux's process interface, and Swift can't import.
#pragma once
#include <stdint.h>
#include <sys/types.h>

// Starts a program whose standard input is `input` and that the kernel ends when the calling thread's process ends.
// `argv` and `environment` are NULL-terminated. Returns the process id, or -errno.
pid_t proscenium_spawn(const char *path, char *const argv[], char *const environment[], int input);

// Starts a program whose descriptors 0 … count - 1 are `descriptors`, and no others are open; the kernel ends it when
// the calling thread ends. `argv` and `environment` are NULL-terminated. Returns the process id, or -errno.
pid_t proscenium_spawn_worker(
    const char *path, char *const argv[], char *const environment[], const int descriptors[], int count);

// A shared memory of a fixed size that nobody can make smaller (memfd_create(2), sealed): reading it never fails.
// Returns a descriptor, or -errno.
int proscenium_shared_memory(const char *name, long bytes);

// A pipe that no started program inherits by accident. Returns 0, or -errno.
int proscenium_pipe(int ends[2]);

// An open file in a folder that has no name there, and so is gone with its last descriptor. Returns it, or -errno.
int proscenium_nameless_file(const char *folder);

// Tells the C library's allocator to map blocks of `mapped_from` bytes on one by one, and to share `pools` pools among threads.
void proscenium_keep_memory_small(int mapped_from, int pools);

// Unmaps the pages of code and constants, the program's and its libraries'; what is used comes back from the files' cache.
// Returns how many bytes of them there are.
long proscenium_let_go_of_files(void);
