/* The steps of a start by name, and their record: the timeline.
 *
 * What is here is called by the child, too (see child.c): it calls nothing but the clock.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <time.h>

const struct spawn_step_info spawn_steps[STEP_COUNT] = {
    [STEP_PIPE] = {"pipe", "pipe2,pipe2,eventfd2", 0},
    [STEP_DEVNULL] = {"devnull", "openat", 0},
    [STEP_CLONE] = {"clone", "clone", 0},
    [STEP_PROC] = {"proc", "openat,read,close", 0},
    [STEP_UID_MAP] = {"uid_map", "openat,pidfd_send_signal,write,close", 0},
    [STEP_SETGROUPS_FILE] = {"setgroups", "openat,pidfd_send_signal,write,close", 0},
    [STEP_GID_MAP] = {"gid_map", "openat,pidfd_send_signal,write,close", 0},
    [STEP_NEWUIDMAP] = {"newuidmap", "clone,execve,waitid", 0},
    [STEP_NEWGIDMAP] = {"newgidmap", "clone,execve,waitid", 0},
    [STEP_RELEASE] = {"release", "write", 0},
    [STEP_RESUME] = {"resume", "write", 0},
    [STEP_SETPGID] = {"setpgid", "setpgid", 1},
    [STEP_FILES] = {"files", "fcntl,dup3", 1},
    [STEP_CLOSE] = {"close_range", "close_range", 1},
    [STEP_DEATH_SIGNAL] = {"death_signal", "prctl,ppoll", 1},
    [STEP_SETNS] = {"setns", "setns,close", 1},
    [STEP_FORK] = {"fork", "clone", 1},
    [STEP_ENTERED] = {"entered", "write", 1},
    [STEP_WAIT] = {"wait", "ppoll,read", 1},
    [STEP_SETGROUPS] = {"setgroups(0)", "setgroups", 1},
    [STEP_SETGID] = {"setgid", "setgid", 1},
    [STEP_SETUID] = {"setuid", "setuid", 1},
    [STEP_PROPAGATION] = {"propagation", "mount", 1},
    [STEP_MOUNT_PROC] = {"mount_proc", "mount", 1},
    [STEP_NEWTIME] = {"newtime", "unshare", 1},
    [STEP_CHDIR] = {"chdir", "chdir", 1},
    [STEP_DEATH_SIGNAL_AGAIN] = {"death_signal", "prctl,ppoll", 1},
    [STEP_HOLD] = {"hold", "write,ppoll,read", 1},
    [STEP_SIGNALS] = {"signals", "rt_sigaction,rt_sigprocmask", 1},
    [STEP_EXECVE] = {"execve", "execve", 1},
};

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t spawn_clock_gap(void)
{
    return read_ns(CLOCK_MONOTONIC) - read_ns(CLOCK_REALTIME);
}

static int64_t now_ns(const struct spawn_log *log)
{
    return read_ns(CLOCK_MONOTONIC) - log->ahead_ns;
}

static struct spawn_record *next_record(struct spawn_log *log)
{
    const size_t room = sizeof log->records / sizeof log->records[0];
    return log->count < room ? &log->records[log->count++] : NULL;
}

void spawn_log_begin(struct spawn_log *log, enum spawn_step step)
{
    struct spawn_record *r = next_record(log);
    if (!r)
        return;
    r->step = step;
    r->error = 0;
    r->end_ns = 0;
    r->start_ns = now_ns(log);
}

void spawn_log_end(struct spawn_log *log, int error)
{
    struct spawn_record *r = &log->records[log->count - 1];
    r->end_ns = now_ns(log);
    r->error = error;
}

void spawn_note(struct spawn *s, struct spawn_record record)
{
    struct spawn_record *r = next_record(&s->parent_log);
    if (r)
        *r = record;
}
