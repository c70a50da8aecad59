/* What a child that holds tries for the doctor: can it be done, here, now?
 *
 * Under the contract of child.c: raw system calls only, in memory that is the parent's.
 * What would change something never does so in namespaces of the parent's.
 */
#define _GNU_SOURCE
#include "spawn.h"
#include "rawsys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U /* Linux 5.8 */
#endif

const char *const spawn_trials[TRIAL_COUNT] = {
    [TRIAL_CLONE] = "clone",
    [TRIAL_CLONE3] = "clone3",
    [TRIAL_MOUNT] = "mount",
    [TRIAL_SETNS] = "setns",
    [TRIAL_UNSHARE_FILES] = "unshare files",
    [TRIAL_DUMPABLE] = "dumpable",
    [TRIAL_CHROOTED] = "chrooted",
    [TRIAL_HOSTNAME] = "hostname",
    [TRIAL_LOOPBACK] = "loopback",
    [TRIAL_TMPFS] = "tmpfs",
    [TRIAL_BIND] = "bind",
    [TRIAL_PROC] = "proc",
    [TRIAL_SETGROUPS] = "setgroups",
};

/* Two mounts of one folder differ in stx_mnt_id only, which kernels before 5.8 leave 0. */
static long look_at_root(struct statx *x)
{
    return sys5(SYS_statx, AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, x);
}

/* setns(2) into one's own mount namespace leads back to its root folder. */
static long chrooted(void)
{
    struct statx before, after;
    long r, fd;

    if ((r = look_at_root(&before)) < 0)
        return r;
    if ((fd = sys3(SYS_openat, AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)) < 0)
        return fd;
    r = sys2(SYS_setns, fd, CLONE_NEWNS);
    sys1(SYS_close, fd);
    if (r < 0 || (r = look_at_root(&after)) < 0)
        return r;
    return before.stx_ino != after.stx_ino || before.stx_dev_major != after.stx_dev_major ||
           before.stx_dev_minor != after.stx_dev_minor || before.stx_mnt_id != after.stx_mnt_id;
}

static long loopback_up(void)
{
    struct ifreq lo = {.ifr_name = {'l', 'o'}, .ifr_flags = IFF_UP};
    const long fd = sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    const long r = sys3(SYS_ioctl, fd, SIOCSIFFLAGS, &lo);
    sys1(SYS_close, fd);
    return r;
}

static unsigned long changes_what(enum spawn_trial trial)
{
    switch (trial) {
    case TRIAL_HOSTNAME:
        return CLONE_NEWUTS;
    case TRIAL_LOOPBACK:
        return CLONE_NEWNET;
    case TRIAL_TMPFS:
    case TRIAL_BIND:
    case TRIAL_PROC:
        return CLONE_NEWNS;
    default:
        return 0;
    }
}

long spawn_try(const struct spawn *s)
{
    static const char name[] = "nsexplore";
    const char *const unreadable = (const char *)1;
    const unsigned long namespaces = s->request.namespaces, own = changes_what(s->talk->trial);

    if (own & ~namespaces || (own == CLONE_NEWNS && s->request.propagation != MS_PRIVATE))
        return -EXDEV;
    switch (s->talk->trial) {
    case TRIAL_CLONE: /* a thread without CLONE_SIGHAND */
        return sys5(SYS_clone, s->talk->trial_argument | CLONE_THREAD | SIGCHLD, 0, 0, 0, 0);
    case TRIAL_CLONE3:
        return sys2(SYS_clone3, 0, 0);
    case TRIAL_MOUNT:
        return sys5(SYS_mount, "none", "/", unreadable, 0, 0);
    case TRIAL_SETNS:
        return sys2(SYS_setns, -1, 0);
    case TRIAL_UNSHARE_FILES:
        return sys1(SYS_unshare, CLONE_FILES);
    case TRIAL_DUMPABLE:
        return sys1(SYS_prctl, PR_GET_DUMPABLE);
    case TRIAL_CHROOTED:
        return chrooted();
    case TRIAL_HOSTNAME:
        return sys2(SYS_sethostname, name, sizeof name - 1);
    case TRIAL_LOOPBACK:
        return loopback_up();
    case TRIAL_TMPFS:
        return sys5(SYS_mount, "tmpfs", "/", "tmpfs", 0, 0);
    case TRIAL_BIND:
        return sys5(SYS_mount, "/", "/", 0, MS_BIND | MS_REC, 0);
    case TRIAL_PROC:
        return sys5(SYS_mount, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    case TRIAL_SETGROUPS:
        return sys2(SYS_setgroups, 0, 0);
    case TRIAL_COUNT:
        break;
    }
    return -ENOSYS;
}
