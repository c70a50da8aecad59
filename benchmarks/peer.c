/* The floor: clone(2) and execve(2) with the spawner's flags, and nothing that is not
 * needed for it. No files are placed or closed, no signals reset, no errors told.
 *
 * Usage: peer MAX_UID. For each line "MODE COUNT PAUSE" on stdin it starts /bin/true COUNT
 * times, PAUSE microseconds apart, and answers with one line: for each start, the
 * nanoseconds until it had started, and until it was reaped.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    NAMESPACES = CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID,
    CLONE_PIDFD_ = 0x1000, /* <sched.h> of an older libc does not have it */
    MOST = 10000
};

static int privileged;
static int release_pipe[2], status_pipe[2];
static char map[64];
static char stack[64 * 1024] __attribute__((aligned(16)));
extern char **environ;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int child(void *unused)
{
    static char *argv[] = {"/bin/true", NULL};
    char word;

    (void)unused;
    if (!privileged) {
        if (read(release_pipe[0], &word, 1) != 1 || syscall(SYS_setgroups, 0, NULL) ||
            syscall(SYS_setgid, 0) || syscall(SYS_setuid, 0))
            _exit(1);
    }
    execve(argv[0], argv, environ);
    _exit(127);
}

static void write_proc(int pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
    close(fd);
}

static int start(void)
{
    char word;
    int pidfd;

    check(!pipe2(status_pipe, O_CLOEXEC), "pipe2");
    check(privileged || !pipe2(release_pipe, O_CLOEXEC), "pipe2");
    const int pid = clone(child, stack + sizeof stack,
                          CLONE_VM | CLONE_PIDFD_ | SIGCHLD | NAMESPACES |
                              (privileged ? 0 : CLONE_NEWUSER),
                          NULL, &pidfd);
    check(pid > 0, "clone");
    close(status_pipe[1]);
    if (!privileged) {
        write_proc(pid, "uid_map", map);
        write_proc(pid, "setgroups", "allow");
        write_proc(pid, "gid_map", map);
        check(write(release_pipe[1], "g", 1) == 1, "release");
        close(release_pipe[0]);
        close(release_pipe[1]);
    }
    check(read(status_pipe[0], &word, 1) == 0, "status"); /* its end: execve has succeeded */
    close(status_pipe[0]);
    close(pidfd);
    return pid;
}

int main(int argc, char **argv)
{
    static int64_t started[MOST], reaped[MOST];
    char mode[16];
    int count, pause, status;

    check(argc == 2, "usage: peer MAX_UID");
    snprintf(map, sizeof map, "0 %s 1\n1 1 %ld\n", argv[1], strtol(argv[1], NULL, 10) - 1);
    while (scanf("%15s %d %d", mode, &count, &pause) == 3 && count <= MOST) {
        privileged = !strcmp(mode, "privileged");
        for (int i = 0; i < count; i++) {
            if (pause > 0)
                usleep((useconds_t)pause);
            const int64_t begin = now();
            const int pid = start();
            started[i] = now() - begin;
            check(waitpid(pid, &status, 0) == pid && status == 0, "/bin/true");
            reaped[i] = now() - begin;
        }
        for (int i = 0; i < count; i++)
            printf("%lld %lld ", (long long)started[i], (long long)reaped[i]);
        puts("");
        fflush(stdout);
    }
    return 0;
}
