/* The child of a start as its parent has it: its end, and who may follow it.
 *
 * A process is known here by its pidfd, and by its number only where nothing else is to be had:
 * where SIGCHLD is ignored, or somebody else waits for all children, a number can be another's
 * at any time.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* Linux 5.3 */
#endif
#define WAIT_BY_PIDFD ((idtype_t)3) /* P_PIDFD, Linux 5.4 */

/* A child that was killed and reaped by somebody else may have left its number to an
 * unrelated process. While it can be sent a signal, if only none, it has not. */
int spawn_child_is_reaped(const struct spawn *s)
{
    return syscall(SYS_pidfd_send_signal, s->pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

/* 0 once waited for, or an errno. Before Linux 5.4 there is no waiting by pidfd. */
static int wait_for_child(const struct spawn *s, siginfo_t *info, int options)
{
    int r;
    memset(info, 0, sizeof *info);
    do {
        r = waitid(WAIT_BY_PIDFD, (id_t)s->pidfd, info, WEXITED | options);
        if (r < 0 && errno == EINVAL)
            r = waitid(P_PID, (id_t)s->pid, info, WEXITED | options);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? errno : 0;
}

/* After this the child shares our memory no more, whoever has reaped it. */
void spawn_end_child(struct spawn *s)
{
    siginfo_t before, after;
    const int reaped = wait_for_child(s, &before, WNOHANG | WNOWAIT) == ECHILD;
    if (!reaped && syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0) < 0 &&
        errno != ESRCH)
        kill(s->pid, SIGKILL); /* a seccomp filter that does not know the call */
    wait_for_child(s, &after, 0);
    const int killed = after.si_code == CLD_KILLED || after.si_code == CLD_DUMPED;
    s->killed_by = killed ? after.si_status : 0;
    /* The parent may have failed only because the child had failed, or died, before. */
    if (s->reached < STOP_EXECED && (s->talk->error || (before.si_pid && killed))) {
        s->failed_step = s->talk->at;
        s->failed_errno = s->talk->error;
    }
}

/* The end of the status pipe: nobody has its other end. */
static int child_is_gone(const struct spawn *s)
{
    struct pollfd p = {.fd = s->status_r, .events = 0};
    return poll(&p, 1, 0) > 0;
}

/* The first child has ended. So the newborn alone holds the other end of the status pipe, and
 * while that is open its number is its own: asked after the pidfd is opened, not before. */
int spawn_adopt(struct spawn *s)
{
    close(s->pidfd); /* so that there is a number for the next one */
    s->pid = s->talk->born;
    s->talk->born = 0;
    s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    const int error = s->pidfd < 0 ? errno : 0;
    return error == ESRCH || (!error && child_is_gone(s)) ? ESRCH : error;
}

/* setns(2) into a time namespace wants a process that shares its memory with nobody (EUSERS).
 * So a child that is to enter one gets a copy of ours, at the cost of a fork: the page tables
 * of all that is resident. Only what it tells us lies in a memory that both have. */
int spawn_share_talk(struct spawn *s)
{
    void *const shared = mmap(NULL, sizeof *s->talk, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return errno;
    memcpy(shared, s->talk, sizeof *s->talk);
    s->talk = shared;
    return 0;
}

void spawn_keep_talk(struct spawn *s)
{
    struct spawn_talk *const shared = s->talk;
    if (shared == &s->talk_here)
        return;
    memcpy(&s->talk_here, shared, sizeof *shared);
    s->talk = &s->talk_here;
    munmap(shared, sizeof *shared);
}
