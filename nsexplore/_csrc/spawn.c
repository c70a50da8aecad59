/* The parent's half of a start.
 *
 * clone(2) with CLONE_VM: no page tables are copied, so a start costs the same in a
 * process of 4 GiB as in one of 4 MiB. Without CLONE_VFORK, since the parent has to
 * write the ID maps while the child waits.
 *
 * Who waits for whom: after clone the child sorts out its files by itself and waits for
 * a word, or for the end of the release pipe, which means that the parent is gone. The
 * parent writes the maps, says the word, and reads the status pipe, whose end means that
 * execve has succeeded (close-on-exec) or that the child is gone.
 *
 * The word goes through an eventfd: a write to a pipe tells the scheduler that the writer
 * is about to sleep, so the child would wake on the parent's CPU, and the parent, when it
 * is to go on, would wait for it to leave.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTERING_MS 2000 /* from one word of the child to the next; it takes a millisecond */

/* ---- the steps ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static enum spawn_result fail(struct spawn *s, enum spawn_step step, int error)
{
    s->failed_step = step;
    s->failed_errno = error;
    spawn_abandon(s);
    return SPAWN_FAILED;
}

/* Run `call` as one step of the parent; its value is 0 or an errno. */
#define STEP(s, step, call)                                                                \
    do {                                                                                   \
        spawn_log_begin(&(s)->parent_log, (step));                                         \
        const int error_ = (call);                                                         \
        spawn_log_end(&(s)->parent_log, error_);                                           \
        if (error_)                                                                        \
            return fail((s), (step), error_);                                              \
    } while (0)

static int make_pipes(struct spawn *s)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    s->release_r = ends[0];
    s->release_w = ends[1];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    s->status_r = ends[0];
    s->status_w = ends[1];
    s->word = eventfd(0, EFD_CLOEXEC);
    return s->word < 0 ? errno : 0;
}

static int open_devnull(int *fd, int mode)
{
    *fd = open("/dev/null", mode | O_CLOEXEC);
    return *fd < 0 ? errno : 0;
}

static int prepare_to_enter(struct spawn *s)
{
    int error = 0;
    for (size_t i = 0; i < s->request.join_count && !error; i++) {
        if (s->request.joins[i].kind == CLONE_NEWUSER)
            spawn_hide_memory(s);
        if (s->request.joins[i].kind == CLONE_NEWTIME)
            error = spawn_share_talk(s);
    }
    return error;
}

static enum spawn_result prepare_and_clone(struct spawn *s)
{
    s->stack = malloc(SPAWN_STACK_SIZE);
    if (!s->stack)
        return fail(s, STEP_CLONE, ENOMEM);
    STEP(s, STEP_PIPE, make_pipes(s));
    for (size_t i = 0; i < s->request.file_count; i++) {
        if (s->request.files[i] != -1)
            continue;
        int *const null = i == 0 ? &s->null_r : &s->null_w;
        if (*null == -1)
            STEP(s, STEP_DEVNULL, open_devnull(null, i == 0 ? O_RDONLY : O_WRONLY));
        s->request.files[i] = *null;
    }
    s->child_release_r = s->release_r;
    s->child_status_w = s->status_w;
    s->child_word = s->word;
    const int error = prepare_to_enter(s);
    if (error)
        return fail(s, STEP_CLONE, error);
    spawn_clone(s);
    if (s->pid <= 0)
        return fail(s, STEP_CLONE, s->cloned_errno);
    close_fd(&s->status_w);
    close_fd(&s->null_r);
    close_fd(&s->null_w);
    return SPAWN_OK;
}

/* The child's number in the /proc that is mounted here. It need not be the one that
 * clone returned: with another PID namespace's /proc, that number names an unrelated
 * process. The Pid line of a pidfd's fdinfo is counted in the mounted /proc. */
static int find_in_proc(struct spawn *s)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", s->pidfd);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const ssize_t n = read(fd, text, sizeof text - 1);
    const int error = n < 0 ? errno : 0;
    close(fd);
    if (error)
        return error;
    text[n] = '\0';
    const char *line = strstr(text, "\nPid:");
    const long number = line ? strtol(line + 5, NULL, 10) : 0;
    if (number <= 0)
        return ESRCH;
    s->proc_pid = number;
    return 0;
}

/* The files of a child are root's while it dies, and while the memory that it shares is
 * non-dumpable on account of another start (see the guard). Neither takes long, unless that
 * other start is held at a stop; then this one is refused at leisure. */
static int open_proc_file(const struct spawn *s, const char *name)
{
    char path[64];
    struct pollfd end = {.fd = s->pidfd, .events = POLLIN};
    snprintf(path, sizeof path, "/proc/%ld/%s", s->proc_pid, name);
    for (int wait_ms = 0;; wait_ms++) {
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0 || errno != EACCES || wait_ms >= (spawn_is_guarded() ? 1000 : 100))
            return fd;
        if (poll(&end, 1, 1) > 0) { /* its death is the reason: see spawn_end_child */
            errno = EACCES;
            return -1;
        }
    }
}

static int write_proc_file(struct spawn *s, const char *name, const char *text)
{
    const int fd = open_proc_file(s, name);
    if (fd < 0)
        return errno;
    const size_t length = strlen(text);
    int error = ESRCH;
    if (!spawn_child_is_reaped(s)) {
        const ssize_t n = write(fd, text, length);
        error = n < 0 ? errno : (size_t)n < length ? EIO : 0;
    }
    close(fd);
    return error;
}

/* Kernels before 3.19 have no setgroups file, and nothing to allow there. */
static int write_setgroups(struct spawn *s)
{
    const int error = write_proc_file(s, "setgroups", s->request.setgroups);
    return error == ENOENT ? 0 : error;
}

static int tell(struct spawn *s, unsigned char word)
{
    const uint64_t value = word;
    const ssize_t n = write(s->word, &value, sizeof value);
    return n == sizeof value ? 0 : errno;
}

/* The end of the status pipe at execve is also that of a child killed there. The kernel
 * lets nobody change the process group of a child that has executed a program. */
static int died_before_execve(const struct spawn *s)
{
    return s->talk->at == STEP_EXECVE && setpgid(s->pid, s->pid) == 0;
}

/* The child's word, or the end. A child that has ended without execve has failed. */
static enum spawn_result hear(struct spawn *s, int *ended)
{
    unsigned char word;
    /* Whoever rules a namespace that the child enters may stop it there, for ever. */
    struct pollfd said = {.fd = s->status_r, .events = POLLIN};
    const int ready = s->request.join_count ? poll(&said, 1, ENTERING_MS) : 1;
    if (ready == 0)
        return fail(s, s->talk->at, ETIMEDOUT);
    if (ready < 0)
        return errno == EINTR ? SPAWN_INTERRUPTED : fail(s, STEP_RELEASE, errno);
    const ssize_t n = read(s->status_r, &word, 1);
    if (n < 0)
        return errno == EINTR ? SPAWN_INTERRUPTED : fail(s, STEP_RELEASE, errno);
    *ended = n == 0;
    if (*ended && (s->talk->error || s->talk->at != STEP_EXECVE || died_before_execve(s)))
        return fail(s, s->talk->at, s->talk->error);
    return SPAWN_OK;
}

/* Once the child is where it was to enter. Who says so is a second process where a PID
 * namespace was entered; the first has ended, or is about to. */
static enum spawn_result meet_entered(struct spawn *s)
{
    int ended;
    const enum spawn_result result = hear(s, &ended);
    if (result != SPAWN_OK || !s->talk->born)
        return result;
    spawn_end_child(s);
    const int error = spawn_adopt(s);
    return error ? fail(s, STEP_FORK, error) : SPAWN_OK;
}

static enum spawn_result release(struct spawn *s, int hold)
{
    if (!s->told) {
        if (s->request.set_ids)
            spawn_guard_enter(s);
        STEP(s, STEP_RELEASE, tell(s, hold ? WORD_HOLD : WORD_GO));
        s->told = 1;
    }
    if (!hold)
        return SPAWN_OK;
    int ended;
    const enum spawn_result result = hear(s, &ended);
    if (result == SPAWN_OK)
        s->told = 0; /* it holds: another word is due */
    return result;
}

static enum spawn_result finish(struct spawn *s)
{
    if (!s->told) {
        STEP(s, STEP_RESUME, tell(s, WORD_GO));
        s->told = 1;
    }
    int ended;
    const enum spawn_result result = hear(s, &ended);
    if (result != SPAWN_OK)
        return result;
    /* The kernel switches memory before it closes on exec: the child has left ours. */
    spawn_guard_leave(s);
    spawn_keep_talk(s);
    struct spawn_log *const log = &s->talk->log;
    log->ahead_ns = 0; /* our own clock from here on */
    if (log->count && log->records[log->count - 1].end_ns == 0)
        spawn_log_end(log, 0); /* execve does not return to say so */
    close_fd(&s->word);
    close_fd(&s->release_r);
    close_fd(&s->release_w);
    close_fd(&s->status_r);
    free(s->stack);
    s->stack = NULL;
    return SPAWN_OK;
}

static enum spawn_result reach(struct spawn *s, enum spawn_stop stop, enum spawn_stop until)
{
    const struct spawn_request *q = &s->request;
    enum spawn_result result;

    switch (stop) {
    case STOP_CLONED:
        if (!s->pid) { /* else interrupted while it entered */
            spawn_share_fork_lock();
            result = prepare_and_clone(s);
            spawn_leave_fork_lock();
            if (result != SPAWN_OK)
                return result;
        }
        return q->join_count ? meet_entered(s) : SPAWN_OK;
    case STOP_UID_MAP:
        if (q->uid_map || q->gid_map || q->setgroups)
            STEP(s, STEP_PROC, find_in_proc(s));
        if (q->uid_map)
            STEP(s, STEP_UID_MAP, write_proc_file(s, "uid_map", q->uid_map));
        return SPAWN_OK;
    case STOP_SETGROUPS:
        if (q->setgroups)
            STEP(s, STEP_SETGROUPS_FILE, write_setgroups(s));
        return SPAWN_OK;
    case STOP_GID_MAP:
        if (q->gid_map)
            STEP(s, STEP_GID_MAP, write_proc_file(s, "gid_map", q->gid_map));
        return SPAWN_OK;
    case STOP_RELEASED:
        return release(s, until == STOP_RELEASED);
    case STOP_EXECED:
        return finish(s);
    case STOP_NOTHING:
        break;
    }
    return SPAWN_OK;
}

/* ---- the interface ---- */

void spawn_init(struct spawn *s)
{
    memset(s, 0, sizeof *s);
    s->owner = getpid();
    s->talk = &s->talk_here;
    s->pidfd = s->release_r = s->release_w = s->status_r = s->status_w = -1;
    s->null_r = s->null_w = s->word = -1;
    s->talk->at = STEP_SETPGID; /* for one killed before it ran */
}

int spawn_is_ours(const struct spawn *s)
{
    return s->owner == getpid();
}

enum spawn_result spawn_advance(struct spawn *s, enum spawn_stop until)
{
    while (s->reached < until) {
        const enum spawn_stop next = (enum spawn_stop)(s->reached + 1);
        const enum spawn_result result = reach(s, next, until);
        if (result != SPAWN_OK)
            return result;
        s->reached = next;
    }
    return SPAWN_OK;
}

enum spawn_result spawn_attempt(struct spawn *s, enum spawn_trial trial, unsigned long argument)
{
    if (!s->told) {
        s->talk->trial = trial;
        s->talk->trial_argument = argument;
        const int error = tell(s, WORD_TRY);
        if (error)
            return fail(s, STEP_RESUME, error);
        s->told = 1;
    }
    int ended;
    const enum spawn_result result = hear(s, &ended);
    if (result == SPAWN_OK)
        s->told = 0;
    return result;
}

void spawn_abandon(struct spawn *s)
{
    if (s->pid > 0 && spawn_is_ours(s)) {
        spawn_end_child(s);
        if (s->talk->born) { /* and not met */
            spawn_adopt(s);
            spawn_end_child(s);
        }
    }
    if (spawn_is_ours(s))
        spawn_guard_leave(s);
    spawn_keep_talk(s);
    s->ended = 1;
    s->pid = 0;
    close_fd(&s->word);
    close_fd(&s->release_r);
    close_fd(&s->release_w);
    close_fd(&s->status_r);
    close_fd(&s->status_w);
    close_fd(&s->null_r);
    close_fd(&s->null_w);
    close_fd(&s->pidfd);
    free(s->stack);
    s->stack = NULL;
}

void spawn_disown(struct spawn *s)
{
    s->ended = 1;
    s->pid = 0;
    close_fd(&s->pidfd);
}
