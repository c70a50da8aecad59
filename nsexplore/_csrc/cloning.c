/* Clone, and what all starts of a process have in common: the thread that clones, the
 * guard of the memory that is shared with their children, and the lock against fork(2).
 *
 * The locks are right in a forked copy of the process, too.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* Held for reading from pipe2 until the child's end of the status pipe is closed here:
 * a copy of it in a forked process would keep the parent waiting for its end. Held for
 * writing across fork. */
static pthread_rwlock_t fork_lock = PTHREAD_RWLOCK_INITIALIZER;

/* A child's setuid to a mapped ID makes the shared memory, and with it this process,
 * non-dumpable. That keeps others of that host UID from tracing the child into our
 * memory, so it must stand until the last such child has a memory of its own. Only then
 * is the old value put back. */
static struct {
    pthread_mutex_t lock;
    int children;
    int before;
} guard = {PTHREAD_MUTEX_INITIALIZER, 0, 0};

/* The parent-death signal is sent when the *thread* that cloned ends. The main thread
 * lives as long as the process; starts from any other are cloned by this one. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct spawn *job;
    int running;
} cloner = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER,
            NULL, 0};

static void before_fork(void)
{
    pthread_rwlock_wrlock(&fork_lock);
    pthread_mutex_lock(&guard.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&guard.lock);
    pthread_rwlock_unlock(&fork_lock);
}

static void after_fork_in_child(void)
{
    pthread_rwlock_init(&fork_lock, NULL);
    pthread_mutex_init(&guard.lock, NULL);
    if (guard.children > 0 && guard.before == 1)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* this copy of the memory has no such child */
    guard.children = 0;
    pthread_mutex_init(&cloner.lock, NULL);
    pthread_cond_init(&cloner.asked, NULL);
    pthread_cond_init(&cloner.answered, NULL);
    cloner.job = NULL;
    cloner.running = 0;
}

static int setup_errno;

static void setup_once(void)
{
    setup_errno = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int spawn_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const int failed = pthread_once(&once, setup_once);
    return failed ? failed : setup_errno;
}

void spawn_share_fork_lock(void)
{
    pthread_rwlock_rdlock(&fork_lock);
}

void spawn_leave_fork_lock(void)
{
    pthread_rwlock_unlock(&fork_lock);
}

void spawn_guard_enter(struct spawn *s)
{
    if (s->guarded)
        return;
    pthread_mutex_lock(&guard.lock);
    if (guard.children++ == 0)
        guard.before = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    s->guarded = 1;
    pthread_mutex_unlock(&guard.lock);
}

/* A child that enters another user namespace can be traced by whoever is root there, and it
 * has our memory, or a copy of it. Non-dumpable, that is only for who has CAP_SYS_PTRACE over
 * the user namespace that this memory was made in: ours. To be done before clone. Another
 * value than 1 protects it already. */
void spawn_hide_memory(struct spawn *s)
{
    spawn_guard_enter(s);
    if (guard.before == 1)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Only once the child has left our memory. */
void spawn_guard_leave(struct spawn *s)
{
    if (!s->guarded)
        return;
    pthread_mutex_lock(&guard.lock);
    if (--guard.children == 0 && guard.before == 1)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    s->guarded = 0;
    pthread_mutex_unlock(&guard.lock);
}

int spawn_is_guarded(void)
{
    pthread_mutex_lock(&guard.lock);
    const int children = guard.children;
    pthread_mutex_unlock(&guard.lock);
    return children > 0;
}

/* ---- clone ---- */

/* Every signal is blocked around clone: a handler of this process must never run in the
 * child. The parent's own mask is put back at once, so that a wait can be interrupted. */
static void clone_here(struct spawn *s)
{
    const unsigned long memory = s->talk == &s->talk_here ? CLONE_VM : 0;
    const unsigned long flags = memory | CLONE_PIDFD | SIGCHLD |
                                (s->request.namespaces & ~(unsigned long)CLONE_NEWTIME);
    sigset_t all, before;
    int pidfd = -1;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    spawn_log_begin(&s->parent_log, STEP_CLONE);
    const int pid = clone(spawn_child, (char *)s->stack + SPAWN_STACK_SIZE, (int)flags, s, &pidfd);
    s->cloned_errno = pid < 0 ? errno : 0;
    spawn_log_end(&s->parent_log, s->cloned_errno);
    if (pid > 0 && pidfd < 0) {
        /* Before Linux 5.2 the flag for it is ignored in silence. */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        s->cloned_errno = ENOSYS;
    } else if (pid > 0) {
        s->pid = pid;
        s->pidfd = pidfd;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void *cloner_main(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&cloner.lock);
    for (;;) {
        while (!cloner.job)
            pthread_cond_wait(&cloner.asked, &cloner.lock);
        clone_here(cloner.job);
        cloner.job->clone_done = 1;
        cloner.job = NULL;
        pthread_cond_broadcast(&cloner.answered);
    }
    return NULL;
}

/* With cloner.lock held. Returns 0 or an errno. */
static int cloner_start(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    int failed = pthread_attr_init(&attr);
    if (failed)
        return failed;
    pthread_attr_setstacksize(&attr, 1024 * 1024); /* thread-local storage lies in it, too */
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are for Python's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, &attr, cloner_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    cloner.running = !failed;
    return failed;
}

void spawn_clone(struct spawn *s)
{
    if (s->request.detached || syscall(SYS_gettid) == getpid()) {
        clone_here(s);
        return;
    }
    pthread_mutex_lock(&cloner.lock);
    const int failed = cloner.running ? 0 : cloner_start();
    if (failed) {
        s->cloned_errno = failed;
    } else {
        while (cloner.job)
            pthread_cond_wait(&cloner.answered, &cloner.lock);
        cloner.job = s;
        pthread_cond_signal(&cloner.asked);
        while (!s->clone_done)
            pthread_cond_wait(&cloner.answered, &cloner.lock);
    }
    pthread_mutex_unlock(&cloner.lock);
}
