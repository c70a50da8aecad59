/* The child's half of a start: from clone(2) to execve(2).
 *
 * It runs on a stack of its own in the *parent's memory*, while the parent's
 * threads go on. So, from first to last:
 *   - only raw system calls (rawsys.h), no libc but the vDSO clock: nothing
 *     that allocates, locks, or writes errno, which it shares with the thread
 *     that cloned it;
 *   - it writes to its stack, to *talk and to the request's `files`, and to
 *     nothing else. The parent reads those only after the child's word or the
 *     end of the status pipe has reached it;
 *   - it reads only what the parent leaves alone from clone on: the request
 *     and the child_* fields. The parent closes its own copies meanwhile, and
 *     notes that in the others;
 *   - all signals stay blocked until their handlers, which belong to the
 *     parent, are gone;
 *   - one way out: error.
 *
 * A child that enters a time namespace has a copy of that memory instead (see
 * spawn_share_talk), and nothing of this is less true for it.
 */
#define _GNU_SOURCE
#include "spawn.h"
#include "rawsys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kernel's struct sigaction, of which libc's is a relative. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
#define KERNEL_SIGNALS 64

/* Move the files to fd 0, 1, …; behind them the release pipe, the status pipe and the
 * eventfd of the word, and the namespaces to enter. A source below file_count, and each of
 * these, is first lifted out of reach of the moves. */
static long place_files(struct spawn *s)
{
    const int count = (int)s->request.file_count, joins = (int)s->request.join_count;
    const int above = count + 3 + joins;
    int *files = s->request.files;
    int namespaces[SPAWN_JOINS];
    long fd;

    for (int i = 0; i < joins; i++) {
        if ((fd = sys3(SYS_fcntl, s->request.joins[i].fd, F_DUPFD_CLOEXEC, above)) < 0)
            return fd;
        namespaces[i] = (int)fd;
    }

    if ((fd = sys3(SYS_fcntl, s->child_release_r, F_DUPFD_CLOEXEC, above)) < 0)
        return fd;
    const int release = (int)fd;
    if ((fd = sys3(SYS_fcntl, s->child_status_w, F_DUPFD_CLOEXEC, above)) < 0)
        return fd;
    const int status = (int)fd;
    if ((fd = sys3(SYS_fcntl, s->child_word, F_DUPFD_CLOEXEC, above)) < 0)
        return fd;
    const int word = (int)fd;

    for (int i = 0; i < count; i++) {
        if (files[i] < count && files[i] != i) {
            if ((fd = sys3(SYS_fcntl, files[i], F_DUPFD_CLOEXEC, above)) < 0)
                return fd;
            files[i] = (int)fd;
        }
    }
    for (int i = 0; i < count; i++) {
        fd = files[i] == i ? sys3(SYS_fcntl, i, F_SETFD, 0) : sys3(SYS_dup3, files[i], i, 0);
        if (fd < 0)
            return fd;
    }
    if ((fd = sys3(SYS_dup3, release, count, O_CLOEXEC)) < 0)
        return fd;
    if ((fd = sys3(SYS_dup3, status, count + 1, O_CLOEXEC)) < 0)
        return fd;
    if ((fd = sys3(SYS_dup3, word, count + 2, O_CLOEXEC)) < 0)
        return fd;
    for (int i = 0; i < joins; i++)
        if ((fd = sys3(SYS_dup3, namespaces[i], count + 3 + i, O_CLOEXEC)) < 0)
            return fd;
    return 0;
}

static long close_from(int first)
{
#ifdef SYS_close_range
    const long r = sys3(SYS_close_range, first, UINT_MAX, 0);
    if (r != -ENOSYS && r != -EPERM)
        return r;
#endif
    /* Before Linux 5.9, or where a filter does not know the call. */
    struct { unsigned long soft, hard; } limit = {0, 0};
    const long got = sys4(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, 0, &limit);
    const unsigned long end = got < 0 || limit.hard > 1UL << 20 ? 1UL << 20 : limit.hard;
    for (unsigned long fd = (unsigned long)first; fd < end; fd++)
        sys1(SYS_close, fd);
    return 0;
}

/* As under Go: what whoever started us has had ignored for all its descendants. */
static int stays_ignored(int sig)
{
    switch (sig) {
    case SIGHUP: /* nohup */
    case SIGINT: /* a job in the background */
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT:
        return 1;
    default: /* above all SIGPIPE and SIGXFSZ, which Python ignores for itself */
        return 0;
    }
}

/* Handlers point into the parent's code: execve would drop them, but the mask is opened
 * before. */
static long clean_signals(void)
{
    const struct kernel_sigaction plain = {SIG_DFL, 0, 0, 0};
    const uint64_t nothing = 0;

    for (int sig = 1; sig <= KERNEL_SIGNALS; sig++) {
        struct kernel_sigaction now = {SIG_DFL, 0, 0, 0};
        long r = sys4(SYS_rt_sigaction, sig, 0, &now, sizeof now.mask);
        if (r < 0)
            return r;
        if (now.handler == SIG_DFL || (now.handler == SIG_IGN && stays_ignored(sig)))
            continue;
        if ((r = sys4(SYS_rt_sigaction, sig, &plain, 0, sizeof now.mask)) < 0)
            return r;
    }
    return sys4(SYS_rt_sigprocmask, SIG_SETMASK, &nothing, 0, sizeof nothing);
}

/* Wait for the parent's word; 0: the parent is gone. */
static long hear(int release)
{
    struct pollfd p[2] = {{release, 0, 0}, {release + 2, POLLIN, 0}};
    uint64_t word = 0;
    long r;
    /* No handler can run here, yet a tracer may interrupt. */
    while ((r = sys5(SYS_ppoll, p, 2, 0, 0, 0)) == -EINTR)
        ;
    if (r < 0)
        return r;
    if (!(p[1].revents & POLLIN))
        return 0;
    while ((r = sys3(SYS_read, release + 2, &word, sizeof word)) == -EINTR)
        ;
    return r < 0 ? r : (long)word;
}

/* A parent that died before the death signal was set did not send it. Inside a new PID
 * namespace getppid(2) is 0 either way: ask the pipe, which only the parent can write to. */
static long die_with_parent(int release)
{
    struct pollfd p = {release, 0, 0};
    const struct timespec now = {0, 0};
    long r = sys2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (r < 0)
        return r;
    if ((r = sys5(SYS_ppoll, &p, 1, &now, 0, 0)) < 0)
        return r;
    return p.revents & POLLHUP ? -EOWNERDEAD : 0;
}

static long say(int status, unsigned char word)
{
    return sys3(SYS_write, status, &word, 1);
}

/* Until the parent says how to go on, doing for it what it wants tried here. */
static long hold(struct spawn *s, int release, int status)
{
    long r;
    do {
        if ((r = say(status, WORD_HOLDING)) < 0)
            return r;
        if ((r = hear(release)) == WORD_TRY)
            s->talk->trial_result = spawn_try(s);
    } while (r == WORD_TRY);
    return r;
}

/* One descriptor's namespace. Its clock is ours no more once a time namespace is entered, and
 * the log is to go on as it began. */
static long join(struct spawn *s, int index, int fd)
{
    const int kind = s->request.joins[index].kind;
    const int64_t gap = kind == CLONE_NEWTIME ? spawn_clock_gap() : 0;
    s->talk->joining = index;
    const long r = sys2(SYS_setns, fd, kind);
    if (r == 0 && kind == CLONE_NEWTIME)
        s->talk->log.ahead_ns = spawn_clock_gap() - gap;
    sys1(SYS_close, fd);
    return r;
}

static int enters_pids(const struct spawn_request *q)
{
    for (size_t i = 0; i < q->join_count; i++)
        if (q->joins[i].kind == CLONE_NEWPID)
            return 1;
    return 0;
}

/* As execvp(3): the next one where there is no such file, or none for us. */
static long execute(const struct spawn_request *q)
{
    long r = -ENOENT, denied = 0;
    for (char *const *path = q->paths; *path; path++) {
        r = sys3(SYS_execve, *path, q->argv, q->envp);
        if (r == -EACCES)
            denied = r;
        else if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return denied ? denied : r;
}

#define TRY(step_, call)                                                                   \
    do {                                                                                   \
        s->talk->at = (step_);                                                             \
        spawn_log_begin(&s->talk->log, (step_));                                           \
        r = (call);                                                                        \
        spawn_log_end(&s->talk->log, r < 0 ? (int)-r : 0);                                 \
        if (r < 0)                                                                         \
            goto error;                                                                    \
    } while (0)

int spawn_child(void *spawn)
{
    struct spawn *const s = spawn;
    const struct spawn_request *const q = &s->request;
    const int release = (int)q->file_count, status = release + 1;
    const int mortal = !q->detached;
    long r, word;

    TRY(STEP_SETPGID, sys2(SYS_setpgid, 0, 0));
    TRY(STEP_FILES, place_files(s));
    /* Now, not before execve: until this, the child keeps open what others wait to see
     * the end of, such as the pipes of a start in another thread. */
    TRY(STEP_CLOSE, close_from(status + 2 + (int)q->join_count));
    if (mortal)
        TRY(STEP_DEATH_SIGNAL, die_with_parent(release));
    for (int i = 0; i < (int)q->join_count; i++)
        TRY(STEP_SETNS, join(s, i, status + 2 + i));
    if (enters_pids(q)) {
        /* A PID namespace is entered by being born there. The newborn is our sibling, so the
         * parent's child as we are, and goes on from here in our place. */
        TRY(STEP_FORK, rawsys_clone_and_go(
                           CLONE_VM | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, &s->talk->born));
        TRY(STEP_SETPGID, sys2(SYS_setpgid, 0, 0));
    }
    if (q->join_count) {
        if (mortal) /* cleared by the change of credentials, or not inherited */
            TRY(STEP_DEATH_SIGNAL, die_with_parent(release));
        TRY(STEP_ENTERED, say(status, WORD_ENTERED));
    }
    TRY(STEP_WAIT, hear(release));
    if (r == 0)
        goto gone;
    word = r;

    if (q->set_groups)
        TRY(STEP_SETGROUPS, sys2(SYS_setgroups, q->group_count, q->groups));
    if (q->set_ids) {
        TRY(STEP_SETGID, sys1(SYS_setgid, q->gid));
        TRY(STEP_SETUID, sys1(SYS_setuid, q->uid));
    }
    /* Never in the caller's own mount namespace. */
    if (q->propagation && q->namespaces & CLONE_NEWNS)
        TRY(STEP_PROPAGATION, sys5(SYS_mount, "none", "/", 0, MS_REC | q->propagation, 0));
    if (q->mount_proc && q->namespaces & CLONE_NEWNS)
        TRY(STEP_MOUNT_PROC, sys5(SYS_mount, "proc", "/proc", "proc",
                                  MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    if (q->namespaces & CLONE_NEWTIME)
        TRY(STEP_NEWTIME, sys1(SYS_unshare, CLONE_NEWTIME));
    if (q->cwd)
        TRY(STEP_CHDIR, sys1(SYS_chdir, q->cwd));
    if (mortal && q->set_ids)
        /* A change of credentials has cleared it. */
        TRY(STEP_DEATH_SIGNAL_AGAIN, die_with_parent(release));
    if (word == WORD_HOLD) {
        TRY(STEP_HOLD, hold(s, release, status));
        if (r == 0)
            goto gone;
    }
    TRY(STEP_SIGNALS, clean_signals());
    TRY(STEP_EXECVE, execute(q));

error:
    s->talk->error = (int)-r;
gone:
    for (;;)
        sys1(SYS_exit_group, 127);
}
