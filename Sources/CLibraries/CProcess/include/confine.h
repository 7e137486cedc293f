// Gives up what a process that reads foreign files does not need.
#pragma once

// What `proscenium_confine` could put in place.
#define PROSCENIUM_CALLS_FILTERED 1u
#define PROSCENIUM_FILES_RESTRICTED 2u
#define PROSCENIUM_OWN_NETWORK 4u

// Takes from this process, for ever, the network, other programs, other processes and the kernel's settings.
//
// A filter of system calls does it (seccomp(2)), and must be there. Where the kernel has them, a network namespace of
// its own and a restriction of files (landlock(7)) come on top.
//
// folder: the only place where files may be made or changed, and beside the system's own where they may be read; NULL for
//   a process that may open no file at all and has only what is open already.
// protections: receives which of the three are in place.
// Returns 0, or -errno when the filter could not be set: nothing foreign may be read then.
int proscenium_confine(const char *folder, unsigned *protections);

// Try what a confined process must not do; they return 0 when it was possible, else errno.
int proscenium_try_socket(void);
int proscenium_try_local_socket(void);
int proscenium_try_process(void);
int proscenium_try_program(void);
int proscenium_try_writing(const char *path);
int proscenium_try_reading(const char *path);
