/* Runs a command and numbers, over all its processes and threads, the system calls that change files under
 * one folder; kills everything before one of them, or lets them fail as on a full disk.
 *
 *     file_faults UNDER LOG KILL_BEFORE NO_SPACE_FROM NO_SPACE_ONLY_AT SHORT_WRITE COMMAND [ARGUMENT...]
 *
 * Numbers count from 1 and 0 means never. file_faults.py explains the modes and reads the log. As a library: if
 * `main` is called without a command, it returns in a child, which is the command; the caller traces it.
 *
 * This traces (ptrace, by a seccomp filter only the calls in the table) instead of replacing functions of
 * the C library by LD_PRELOAD: safetensors renames its files by a system call of its own, and what numpy or
 * coreutils write through stdio leaves the library from within, so neither would be seen.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "file_faults knows the registers and system calls of x86_64 only"
#endif

enum bytes { NO_BYTES, BUFFER, BUFFERS, COPY }; /* what a call writes: from memory, or from another file */

/* A system call. Its arguments are counted from 1, so that 0 says that it has no such argument. */
struct call {
    long number;
    const char *name;          /* in the log, one for all variants */
    int fd, folder, path;      /* the file: open, or a path that is relative to the open `folder` */
    int other_folder, other;   /* the second path of rename and link */
    int target;                /* what a symbolic link says */
    int flags;                 /* the call matters only if ... */
    uint32_t bits;             /* ... its flags have one of these bits */
    int offset;                /* where in the file it writes */
    enum bytes bytes;
    bool needs_space;
    bool follows;              /* follows a symbolic link */
};

#define MAKES_OR_EMPTIES (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static const struct call calls[] = {
    {SYS_open, "open", .path = 1, .flags = 2, .bits = MAKES_OR_EMPTIES, .needs_space = true, .follows = true},
    {SYS_openat, "open", .folder = 1, .path = 2, .flags = 3, .bits = MAKES_OR_EMPTIES, .needs_space = true,
     .follows = true},
    {SYS_creat, "open", .path = 1, .needs_space = true, .follows = true},
    {SYS_write, "write", .fd = 1, .bytes = BUFFER, .needs_space = true},
    {SYS_pwrite64, "write", .fd = 1, .offset = 4, .bytes = BUFFER, .needs_space = true},
    {SYS_writev, "write", .fd = 1, .bytes = BUFFERS, .needs_space = true},
    {SYS_pwritev, "write", .fd = 1, .offset = 4, .bytes = BUFFERS, .needs_space = true},
    {SYS_pwritev2, "write", .fd = 1, .offset = 4, .bytes = BUFFERS, .needs_space = true},
    {SYS_sendfile, "copy", .fd = 1, .bytes = COPY, .needs_space = true},
    {SYS_copy_file_range, "copy", .fd = 3, .bytes = COPY, .needs_space = true},
    {SYS_splice, "copy", .fd = 3, .bytes = COPY, .needs_space = true},
    /* What is written through a mapping is not seen, so at least the mapping is. */
    {SYS_mmap, "mmap", .fd = 5, .flags = 4, .bits = MAP_SHARED},
    {SYS_truncate, "truncate", .path = 1, .follows = true},
    {SYS_ftruncate, "truncate", .fd = 1},
    {SYS_fallocate, "fallocate", .fd = 1, .needs_space = true},
    {SYS_fsync, "fsync", .fd = 1, .needs_space = true},
    {SYS_fdatasync, "fsync", .fd = 1, .needs_space = true},
    {SYS_rename, "rename", .path = 1, .other = 2},
    {SYS_renameat, "rename", .folder = 1, .path = 2, .other_folder = 3, .other = 4},
    {SYS_renameat2, "rename", .folder = 1, .path = 2, .other_folder = 3, .other = 4},
    {SYS_link, "link", .path = 1, .other = 2},
    {SYS_linkat, "link", .folder = 1, .path = 2, .other_folder = 3, .other = 4},
    {SYS_symlink, "symlink", .path = 2, .target = 1, .needs_space = true},
    {SYS_symlinkat, "symlink", .folder = 2, .path = 3, .target = 1, .needs_space = true},
    {SYS_unlink, "unlink", .path = 1},
    {SYS_unlinkat, "unlink", .folder = 1, .path = 2},
    {SYS_mkdir, "mkdir", .path = 1, .needs_space = true},
    {SYS_mkdirat, "mkdir", .folder = 1, .path = 2, .needs_space = true},
    {SYS_rmdir, "rmdir", .path = 1},
};
enum { CALLS = sizeof calls / sizeof *calls };

static const char *under;
static int log_file;
static long kill_before, no_space_from, no_space_only_at, short_write, last_number;
static pid_t command; /* its process, and the number of its process group */

static void stop(const char *what) {
    fprintf(stderr, "file_faults: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* ---- what a stopped task has in its memory and its /proc ---- */

static ssize_t read_memory(pid_t task, uint64_t address, void *into, size_t size) {
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/mem", task);
    int memory = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got = pread(memory, into, size, (off_t)address);
    close(memory);
    return got;
}

static void read_text(pid_t task, uint64_t address, char into[PATH_MAX]) {
    ssize_t got = read_memory(task, address, into, PATH_MAX - 1);
    into[got > 0 ? got : 0] = '\0';
}

static void read_link(pid_t task, int fd, char into[PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", task, fd);
    ssize_t size = readlink(name, into, PATH_MAX - 1);
    into[size > 0 ? size : 0] = '\0';
}

static pid_t process_of(pid_t task) {
    char name[64], line[256];
    int process = task;
    snprintf(name, sizeof name, "/proc/%d/status", task);
    FILE *status = fopen(name, "re");
    while (status && fgets(line, sizeof line, status) && sscanf(line, "Tgid: %d", &process) != 1) {
    }
    if (status)
        fclose(status);
    return process;
}

/* The path as the kernel will understand it: absolute, and without links except, perhaps, the last part. */
static void read_path(pid_t task, int folder, uint64_t address, bool follows, char into[PATH_MAX]) {
    char text[PATH_MAX], full[2 * PATH_MAX] = "", parent[PATH_MAX];
    read_text(task, address, text);
    if (text[0] != '/') {
        read_link(task, folder, full);
        strcat(full, "/");
    }
    strcat(full, text);
    for (char *end = full + strlen(full) - 1; end > full && *end == '/'; end--)
        *end = '\0';
    char *name = strrchr(full, '/') + 1;
    if ((follows || !strcmp(name, ".") || !strcmp(name, "..")) && realpath(full, into))
        return;
    char first = *name;
    *name = '\0';
    bool known = realpath(full, parent) != NULL;
    *name = first;
    /* Without its folder the call will fail; any name is good enough for the log. */
    if (!known)
        snprintf(into, PATH_MAX, "%.*s", PATH_MAX - 1, full);
    else if (strlen(parent) + strlen(name) + 2 <= PATH_MAX)
        stpcpy(stpcpy(stpcpy(into, strcmp(parent, "/") ? parent : ""), "/"), name);
}

static bool inside(const char *path) {
    size_t size = strlen(under);
    return !strncmp(path, under, size) && (path[size] == '/' || path[size] == '\0');
}

/* ---- faults ---- */

/* Lets the call that a task is about to make return this instead. */
static void answer(pid_t task, long value) {
    ptrace(PTRACE_POKEUSER, task, offsetof(struct user, regs.orig_rax), -1L); /* no call has this number */
    ptrace(PTRACE_POKEUSER, task, offsetof(struct user, regs.rax), value);
}

/* Writes half of what the task wants to write, in its place; returns as the call would. */
static long write_half(pid_t task, const struct call *call, const uint64_t *arguments) {
    struct iovec parts[IOV_MAX] = {{(void *)arguments[1], arguments[2]}};
    size_t count = 1, total = 0, have = 0;
    if (call->bytes == BUFFERS) {
        count = arguments[2] < IOV_MAX ? arguments[2] : IOV_MAX;
        read_memory(task, arguments[1], parts, count * sizeof *parts);
    }
    for (size_t i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (total < 2)
        return -ENOSPC;
    char *bytes = calloc(1, total / 2);
    for (size_t i = 0; i < count && have < total / 2; i++) {
        size_t wanted = total / 2 - have < parts[i].iov_len ? total / 2 - have : parts[i].iov_len;
        read_memory(task, (uint64_t)parts[i].iov_base, bytes + have, wanted);
        have += wanted;
    }
    /* The same open file as the task's, so that its position moves too. */
    int process = (int)syscall(SYS_pidfd_open, process_of(task), 0);
    int file = (int)syscall(SYS_pidfd_getfd, process, (int)arguments[call->fd - 1], 0);
    long written = call->offset ? pwrite(file, bytes, have, (off_t)arguments[call->offset - 1])
                                : write(file, bytes, have);
    if (written == -1)
        stop("short write");
    close(file);
    close(process);
    free(bytes);
    return written;
}

/* ---- one call ---- */

/* Lets the task make its call, and nothing else. Returns the call's result, and how the task stopped. */
static long make(pid_t task, int *status) {
    struct __ptrace_syscall_info info = {0};
    ptrace(PTRACE_SYSCALL, task, 0, 0);
    waitpid(task, status, __WALL);
    if (WIFSTOPPED(*status))
        ptrace(PTRACE_GET_SYSCALL_INFO, task, sizeof info, &info);
    return info.op == PTRACE_SYSCALL_INFO_EXIT ? info.exit.rval : 0; /* 0: it died, perhaps after the call */
}

/* A task is about to make a call of the table. The other tasks' wait: the numbers are the true order. */
static void handle(pid_t task, long number, const uint64_t *arguments, int *status) {
    const struct call *call = calls;
    while (call->number != number)
        call++;
    char path[PATH_MAX] = "", other[PATH_MAX] = "";
    if (number == SYS_mmap && !(arguments[2] & PROT_WRITE))
        return;
#define FOLDER(which) (call->which ? (int)arguments[call->which - 1] : AT_FDCWD)
    if (call->fd)
        read_link(task, (int)arguments[call->fd - 1], path);
    else
        read_path(task, FOLDER(folder), arguments[call->path - 1], call->follows, path);
    if (call->other)
        read_path(task, FOLDER(other_folder), arguments[call->other - 1], false, other);
    if (!inside(path) && !inside(other))
        return;
    if (call->target)
        read_text(task, arguments[call->target - 1], other);

    last_number++;
    if (kill_before && last_number >= kill_before) {
        kill(-command, SIGKILL);
        kill(task, SIGKILL); /* which may have left the process group */
        return;
    }
    bool at = last_number == no_space_from || last_number == no_space_only_at;
    bool full = at || (no_space_from && last_number > no_space_from);
    /* To open what is there already takes no space, and to make it again fails for that reason. */
    bool refuse = full && call->needs_space && (call->fd || access(path, F_OK) != 0);
    int process = process_of(task);
    long result = -ENOSPC;
    if (!refuse) {
        result = make(task, status);
    } else {
        if (short_write && at && (call->bytes == BUFFER || call->bytes == BUFFERS))
            result = write_half(task, call, arguments);
        answer(task, result);
    }
    bool is_rmdir = number == SYS_unlinkat && (arguments[2] & AT_REMOVEDIR);
    long size = call->bytes != NO_BYTES && result > 0 ? result : 0, error = result < 0 ? -result : 0;
    /* Fields end with a zero, the only byte that no path can hold. */
    dprintf(log_file, "%ld%c%d%c%s%c%s%c%s%c%ld%c%ld%c", last_number, 0, process, 0,
            is_rmdir ? "rmdir" : call->name, 0, path, 0, other, 0, size, 0, error, 0);
}

/* ---- the processes ---- */

/* Stops the calling process, and all that it will start, at the calls in the table. */
static void install_filter(void) {
    struct sock_filter steps[4 + 5 * CALLS + 1], *step = steps;
#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define JUMP(test, value, yes, no) BPF_JUMP(BPF_JMP | test | BPF_K, value, yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
    *step++ = (struct sock_filter)LOAD(arch);
    *step++ = (struct sock_filter)JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
    *step++ = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    *step++ = (struct sock_filter)LOAD(nr);
    for (const struct call *call = calls; call < calls + CALLS; call++) {
        *step++ = (struct sock_filter)JUMP(BPF_JEQ, (uint32_t)call->number, 0, call->flags ? 4 : 1);
        if (call->flags) {
            *step++ = (struct sock_filter)LOAD(args[call->flags - 1]);
            *step++ = (struct sock_filter)JUMP(BPF_JSET, call->bits, 1, 0);
            *step++ = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
        }
        *step++ = (struct sock_filter)RETURN(SECCOMP_RET_TRACE);
    }
    *step++ = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)(step - steps), steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        stop("seccomp");
}

static void start(char **arguments) {
    int traced[2];
    char byte;
    if (pipe2(traced, O_CLOEXEC) || (command = fork()) < 0)
        stop("start");
    if (command == 0) {
        setsid(); /* a process group without this program, to be killed as one */
        close(traced[1]);
        if (read(traced[0], &byte, 1) != 1)
            exit(125);
        install_filter();
        if (!arguments[0])
            return;
        execvp(arguments[0], arguments);
        fprintf(stderr, "file_faults: %s: %s\n", arguments[0], strerror(errno));
        exit(127);
    }
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, command, 0, options))
        stop("ptrace");
    if (write(traced[1], "", 1) != 1)
        stop("start");
    close(traced[0]);
    close(traced[1]);
}

/* Follows all processes to their ends; returns how the command's ended. */
static int follow(void) {
    int status, result = 0;
    for (pid_t task; (task = waitpid(-1, &status, __WALL)) > 0;) {
        struct __ptrace_syscall_info info;
        if (WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_SECCOMP &&
            ptrace(PTRACE_GET_SYSCALL_INFO, task, sizeof info, &info) > 0) {
            uint64_t arguments[6];
            memcpy(arguments, info.seccomp.args, sizeof arguments);
            handle(task, (long)info.seccomp.nr, arguments, &status);
        }
        if (WIFSTOPPED(status)) {
            int event = status >> 16, signal = WSTOPSIG(status);
            /* Stopped by SIGSTOP or the like, until SIGCONT; or on the way, perhaps with a signal. */
            bool stays = event == PTRACE_EVENT_STOP && signal != SIGTRAP;
            bool has_signal = event == 0 && signal != (SIGTRAP | 0x80);
            ptrace(stays ? PTRACE_LISTEN : PTRACE_CONT, task, 0, has_signal ? signal : 0);
        } else if (task == command) {
            result = status;
        }
    }
    return result;
}

int main(int count, char **arguments) {
    if (count < 7) {
        fprintf(stderr, "file_faults: too few arguments\n");
        return 125;
    }
    under = arguments[1];
    log_file = open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_file < 0)
        stop(arguments[2]);
    kill_before = atol(arguments[3]);
    no_space_from = atol(arguments[4]);
    no_space_only_at = atol(arguments[5]);
    short_write = atol(arguments[6]);
    start(arguments + 7);
    if (command == 0)
        return 0;
    int result = follow();
    if (WIFSIGNALED(result))
        kill(getpid(), WTERMSIG(result)); /* end as the command did */
    return WEXITSTATUS(result);
}
