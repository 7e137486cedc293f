#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "The filter of system calls is written for x86_64 and aarch64."
#endif

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
// What came after the headers that this may be built with has a number above these, and is refused as unknown.
#define LAST_KNOWN_CALL 450

// Calls by which a process reaches the network, other processes, other programs or the kernel's own settings.
static const int refused[] = {
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg,
    SYS_execve, SYS_execveat,
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo, SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_process_madvise,
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_move_mount, SYS_open_tree,
    SYS_fsopen, SYS_fsmount, SYS_fsconfig, SYS_fspick, SYS_mount_setattr, SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_init_module, SYS_finit_module, SYS_delete_module,
    SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_syslog, SYS_acct, SYS_quotactl,
    SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname,
    SYS_personality, SYS_vhangup, SYS_fanotify_init, SYS_inotify_init1, SYS_mknodat,
    SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_capset,
#if defined(__x86_64__)
    SYS_fork, SYS_vfork, SYS_mknod, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_inotify_init, SYS_uselib,
#endif
};

// Calls that name a file; without them a process has what it was given open, and nothing else.
static const int naming[] = {
    SYS_openat, SYS_openat2, SYS_unlinkat, SYS_renameat2, SYS_mkdirat, SYS_linkat, SYS_symlinkat, SYS_fchmodat,
    SYS_fchownat, SYS_utimensat, SYS_truncate, SYS_readlinkat, SYS_getdents64, SYS_chdir, SYS_statfs,
#if defined(__x86_64__)
    SYS_open, SYS_creat, SYS_unlink, SYS_rename, SYS_renameat, SYS_mkdir, SYS_rmdir, SYS_link, SYS_symlink, SYS_chmod,
    SYS_chown, SYS_lchown, SYS_readlink, SYS_getdents,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE(number) RETURN(SECCOMP_RET_ERRNO | (number))

static int filter_calls(int may_name_files) {
    struct sock_filter program[32 + 2 * (COUNT(refused) + COUNT(naming))];
    unsigned short length = 0;
#define ADD(...) program[length++] = (struct sock_filter)__VA_ARGS__
    ADD(LOAD(arch));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(nr));
    // Above are newer calls, and on x86_64 those of the x32 interface.
    ADD(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN_CALL, 0, 1));
    ADD(REFUSE(ENOSYS));
    // clone3 has its flags in memory, where a filter can't look; the C library falls back to clone.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    ADD(REFUSE(ENOSYS));
    for (size_t at = 0; at < COUNT(refused); at++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)refused[at], 0, 1));
        ADD(REFUSE(EPERM));
    }
    for (size_t at = 0; at < COUNT(naming) && !may_name_files; at++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)naming[at], 0, 1));
        ADD(REFUSE(EACCES));
    }
    // Threads, but no processes.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    ADD(LOAD(args[0]));
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
    ADD(REFUSE(EPERM));
    ADD(RETURN(SECCOMP_RET_ALLOW));
    // Signals for itself, as abort(3) sends, and limits of its own.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 4));
    ADD(LOAD(args[0]));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 1, 0));
    ADD(REFUSE(EPERM));
    ADD(RETURN(SECCOMP_RET_ALLOW));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 4));
    ADD(LOAD(args[0]));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
    ADD(REFUSE(EPERM));
    ADD(RETURN(SECCOMP_RET_ALLOW));
    ADD(RETURN(SECCOMP_RET_ALLOW));
    struct sock_fprog filter = {.len = length, .filter = program};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) return -errno;
    return 0;
}

static int allow(int rules, const char *path, unsigned long long access) {
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) return 0;  // What is not there needs no permission.
    long result = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.parent_fd);
    return result < 0 ? -error : 0;
}

// Files of the system may be read (fonts, tables of character sets), and what lies below `folder` changed as well.
static int restrict_files(const char *folder) {
    // The rights of the first version, which every kernel with Landlock knows: bits 0 (execute) to 12 (make symlinks).
    const unsigned long long all = (1ULL << 13) - 1;
    const unsigned long long reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    const unsigned long long changing = reading | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                        LANDLOCK_ACCESS_FS_REMOVE_DIR;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = all};
    // Only the first member: older kernels know no more.
    long rules = syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes.handled_access_fs), 0);
    if (rules < 0) return -errno;
    static const char *const readable[] = {
        "/usr", "/lib", "/lib64", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/var/cache/fontconfig",
        "/proc/self", "/dev/urandom", "/sys/devices/system/cpu",
    };
    int result = 0;
    for (size_t at = 0; at < COUNT(readable) && result == 0; at++) {
        int is_file = at == 4 || at == 5 || at == 8;
        result = allow((int)rules, readable[at], is_file ? LANDLOCK_ACCESS_FS_READ_FILE : reading);
    }
    if (result == 0)
        result = allow((int)rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    if (result == 0 && folder) result = allow((int)rules, folder, changing);
    if (result == 0 && syscall(SYS_landlock_restrict_self, (int)rules, 0) != 0) result = -errno;
    close((int)rules);
    return result;
}

static void drop_capabilities(void) {
    for (int number = 0; number <= 63; number++) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    syscall(SYS_capset, &header, none);
}

int proscenium_confine(const char *folder, unsigned *protections) {
    *protections = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    // A network of its own has no way out. Who is not root gets one with a user namespace, where the system allows it.
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0)
        *protections |= PROSCENIUM_OWN_NETWORK;
    if (restrict_files(folder) == 0) *protections |= PROSCENIUM_FILES_RESTRICTED;
    drop_capabilities();
    int result = filter_calls(folder != NULL);
    if (result == 0) *protections |= PROSCENIUM_CALLS_FILTERED;
    return result;
}

int proscenium_try_socket(void) {
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0) return errno;
    close(made);
    return 0;
}

int proscenium_try_local_socket(void) {
    int made = socket(AF_UNIX, SOCK_STREAM, 0);
    if (made < 0) return errno;
    close(made);
    return 0;
}

int proscenium_try_process(void) {
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) _exit(0);
    waitpid(child, 0, 0);
    return 0;
}

int proscenium_try_program(void) {
    char *const arguments[] = {(char *)"true", NULL}, *const environment[] = {NULL};
    execve("/bin/true", arguments, environment);
    return errno;
}

int proscenium_try_writing(const char *path) {
    int made = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0) return errno;
    close(made);
    unlink(path);
    return 0;
}

int proscenium_try_reading(const char *path) {
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0) return errno;
    close(opened);
    return 0;
}
