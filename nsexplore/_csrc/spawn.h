/* Start a process in new namespaces from a process with many threads.
 *
 * A start is one struct spawn, driven forward by spawn_advance() from stop to
 * stop. Nothing here knows Python; module.c binds it.
 */
#ifndef NSEXPLORE_SPAWN_H
#define NSEXPLORE_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* as in <sched.h>, where libc knows it */
#endif

/* What may fail or take time, in the order in which it happens. */
enum spawn_step {
    /* the parent's */
    STEP_PIPE,
    STEP_DEVNULL,
    STEP_CLONE,
    STEP_PROC,
    STEP_UID_MAP,
    STEP_SETGROUPS_FILE,
    STEP_GID_MAP,
    STEP_NEWUIDMAP, /* these two are Python's: see spawn_note() */
    STEP_NEWGIDMAP,
    STEP_RELEASE,
    STEP_RESUME,
    /* the child's */
    STEP_SETPGID,
    STEP_FILES,
    STEP_CLOSE,
    STEP_DEATH_SIGNAL,
    STEP_SETNS,
    STEP_FORK,
    STEP_ENTERED,
    STEP_WAIT,
    STEP_SETGROUPS,
    STEP_SETGID,
    STEP_SETUID,
    STEP_PROPAGATION,
    STEP_MOUNT_PROC,
    STEP_NEWTIME,
    STEP_CHDIR,
    STEP_DEATH_SIGNAL_AGAIN,
    STEP_HOLD,
    STEP_SIGNALS,
    STEP_EXECVE,
    STEP_COUNT
};

struct spawn_step_info {
    const char *name;
    const char *syscalls;
    int by_child;
};
extern const struct spawn_step_info spawn_steps[STEP_COUNT];

/* Where a start can be looked at. Each is reached only through the one before. */
enum spawn_stop {
    STOP_NOTHING,
    STOP_CLONED,    /* the child exists, is where it was to enter, and waits; no map is written */
    STOP_UID_MAP,   /* these three are reached at once where there is nothing to write */
    STOP_SETGROUPS,
    STOP_GID_MAP,
    STOP_RELEASED,  /* the child has its credentials and mounts, and waits before execve */
    STOP_EXECED     /* execve has succeeded; the child has a memory of its own */
};

enum spawn_result {
    SPAWN_OK,
    SPAWN_FAILED,     /* failed_step and failed_errno say how; the child is gone and reaped */
    SPAWN_INTERRUPTED /* a signal arrived while the child was waited for; call again */
};

/* A namespace to enter: a descriptor of it, and its CLONE_NEW*. */
struct spawn_join {
    int fd, kind;
};
enum { SPAWN_JOINS = 8 }; /* one of each kind */

/* What is asked for. All pointers are borrowed and must outlive the start. */
struct spawn_request {
    char *const *paths; /* tried one after the other, as execvp(3) does */
    char *const *argv;
    char *const *envp;
    const char *cwd; /* NULL: the caller's */
    unsigned long namespaces; /* CLONE_NEW* */
    size_t join_count;
    const struct spawn_join *joins; /* in the order in which they are entered */
    const char *uid_map; /* NULL: write none */
    const char *gid_map;
    const char *setgroups; /* "allow" or "deny"; NULL: write none */
    int set_ids;
    uid_t uid;
    gid_t gid;
    int set_groups;
    size_t group_count;
    const gid_t *groups;
    size_t file_count; /* files[i] becomes fd i; -1 is /dev/null */
    int *files; /* written to: by the parent until clone, by the child from then on */
    unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, or 0 */
    int mount_proc;
    int detached;
};

/* What a child that holds may try for us, in its own namespaces. The first four are calls
 * that the kernel itself can only refuse, with the errno beside them: any other answer is
 * that of a seccomp filter. */
enum spawn_trial {
    TRIAL_CLONE,         /* the argument's namespaces, with flags that exclude each other: EINVAL */
    TRIAL_CLONE3,        /* without arguments: EINVAL */
    TRIAL_MOUNT,         /* of a type that cannot be read: EFAULT */
    TRIAL_SETNS,         /* into no descriptor: EBADF */
    TRIAL_UNSHARE_FILES, /* granted to everybody */
    TRIAL_DUMPABLE,      /* PR_GET_DUMPABLE of the memory that we share */
    TRIAL_CHROOTED,      /* 1: the root folder is not the mount namespace's */
    TRIAL_HOSTNAME,
    TRIAL_LOOPBACK,      /* bring lo up */
    TRIAL_TMPFS,         /* mount one */
    TRIAL_BIND,          /* mount a folder a second time */
    TRIAL_PROC,          /* mount a new /proc */
    TRIAL_SETGROUPS,     /* drop the supplementary groups */
    TRIAL_COUNT
};
extern const char *const spawn_trials[TRIAL_COUNT];

struct spawn_record {
    enum spawn_step step;
    int error;
    int64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
};

/* Two logs, so that parent and child never write to the same one. */
struct spawn_log {
    struct spawn_record records[32]; /* more than either side has steps */
    size_t count;
    int64_t ahead_ns; /* of a clock that is in another time namespace by now */
};

/* What passes between the child and the parent after clone. Only the child writes to it, but
 * for the trial; the parent reads what the child has written once its word has come. */
struct spawn_talk {
    struct spawn_log log;
    volatile enum spawn_step at; /* where the child is, for one killed on the way */
    volatile int error;          /* set last by a child that failed at that step */
    volatile int joining;        /* at which of the joins it is, or was last */
    volatile pid_t born;         /* who goes on in its place, born into a PID namespace */
    enum spawn_trial trial;      /* of a child that holds */
    unsigned long trial_argument;
    volatile long trial_result;
};

struct spawn {
    struct spawn_request request;
    enum spawn_stop reached;

    pid_t pid;   /* in the caller's PID namespace; 0 until cloned */
    int pidfd;   /* owned; -1 until cloned */
    long proc_pid; /* the child's number in the mounted /proc; 0 until looked up */
    pid_t owner; /* the process that may kill and reap the child */
    int ended;   /* abandoned or disowned: nothing more happens */

    enum spawn_step failed_step;
    int failed_errno; /* 0 with SPAWN_FAILED: the child was killed by killed_by */
    int killed_by;

    struct spawn_log parent_log;
    struct spawn_talk *talk; /* talk_here, unless the child has a memory of its own */

    /* private to the .c files beside module.c */
    int word;                 /* the parent's word to the child: an eventfd */
    int release_r, release_w; /* its end: the parent is gone */
    int status_r, status_w;   /* the child's word to the parent; its end: exec'd, or gone */
    int null_r, null_w;       /* /dev/null */
    int child_release_r, child_status_w, child_word; /* as they were at clone, for the child */
    struct spawn_talk talk_here;
    void *stack;
    int told;         /* the byte of the current release is written */
    int guarded;      /* counted in the dumpable guard */
    int cloned_errno; /* from the thread that cloned */
    int clone_done;
};

/* Once per process: locks that are right after fork(2), too. Returns 0 or an errno. */
int spawn_setup(void);

void spawn_init(struct spawn *s);

/* Not so in a forked copy of the process: there a start can only be abandoned. */
int spawn_is_ours(const struct spawn *s);

/* Drive the start up to `until`. Blocks without holding any lock. */
enum spawn_result spawn_advance(struct spawn *s, enum spawn_stop until);

/* Have a child that holds (at STOP_RELEASED) try something: talk->trial_result is what the
 * system call returned, or -errno. */
enum spawn_result spawn_attempt(struct spawn *s, enum spawn_trial trial, unsigned long argument);

/* Add to the parent's log what somebody else has done for this start. */
void spawn_note(struct spawn *s, struct spawn_record record);

/* Kill and reap what there is, at any stop; close everything. Safe to call twice,
 * and in a forked copy of the process, where it only closes. */
void spawn_abandon(struct spawn *s);

/* Keep the process, forget the start: closes the pidfd only. */
void spawn_disown(struct spawn *s);

/* ---- between the .c files ---- */

/* spawn.c and child.c */
enum { WORD_GO = 'g', WORD_HOLD = 'h', WORD_TRY = 't', WORD_HOLDING = 'w', WORD_ENTERED = 'e' };
int spawn_child(void *spawn);

/* trials.c; under the contract of child.c */
long spawn_try(const struct spawn *s);

/* steps.c */
void spawn_log_begin(struct spawn_log *log, enum spawn_step step);
void spawn_log_end(struct spawn_log *log, int error);
int64_t spawn_clock_gap(void); /* CLOCK_MONOTONIC, which a time namespace shifts, less REALTIME */

/* ending.c */
int spawn_child_is_reaped(const struct spawn *s);
void spawn_end_child(struct spawn *s); /* kill and reap it */
int spawn_adopt(struct spawn *s);      /* talk->born is the child from now on; 0 or an errno */
int spawn_share_talk(struct spawn *s); /* with a child that will have a memory of its own */
void spawn_keep_talk(struct spawn *s); /* once there is no such child any more */

/* cloning.c */
/* The child needs less than 1 KiB of it (-fstack-usage), and the vDSO's clock not much: it
 * calls nothing else, and no signal handler can run. So there is no guard page, whose two
 * system calls would cost more than all that the child does before it waits. */
enum { SPAWN_STACK_SIZE = 16 * 1024 };
void spawn_clone(struct spawn *s); /* sets pid and pidfd, or cloned_errno */
void spawn_share_fork_lock(void);
void spawn_leave_fork_lock(void);
void spawn_guard_enter(struct spawn *s);
void spawn_guard_leave(struct spawn *s);
void spawn_hide_memory(struct spawn *s);
int spawn_is_guarded(void); /* by any start */

#endif
