/* What a started process sees of itself, written as one line of JSON to fd 3, or to the
 * file that its first argument names.
 *
 * In C, since an interpreter or a language runtime would first change what is
 * asked about: handlers, ignored signals, open files. Files are reported as their
 * raw text; every byte above 126 is written as the code point of its value.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static FILE *out;

static void quoted(const char *text, size_t length)
{
    putc('"', out);
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 32 || c > 126 || c == '"' || c == '\\')
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

static void name(const char *key)
{
    quoted(key, strlen(key));
    putc(':', out);
}

static void string(const char *key, const char *value)
{
    name(key);
    quoted(value, strlen(value));
    putc(',', out);
}

static void number(const char *key, long value)
{
    fprintf(out, "\"%s\":%ld,", key, value);
}

/* The text of /proc/self/KEY; null where it cannot be read. */
static void proc_file(const char *key)
{
    static char text[1 << 18];
    char path[64];
    size_t length = 0;
    ssize_t n;

    name(key);
    snprintf(path, sizeof path, "/proc/self/%s", key);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fputs("null,", out);
        return;
    }
    while ((n = read(fd, text + length, sizeof text - length)) > 0)
        length += (size_t)n;
    close(fd);
    quoted(text, length);
    putc(',', out);
}

static void proc_link(const char *key)
{
    char path[64], target[4096];
    snprintf(path, sizeof path, "/proc/self/%s", key);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    string(key, target);
}

/* Each namespace as DEVICE:INODE. */
static void namespaces(void)
{
    static const char *const kinds[] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup",
                                        "time", "pid_for_children", "time_for_children"};
    name("namespaces");
    putc('{', out);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char path[64], text[64] = "";
        struct stat status;
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        if (stat(path, &status) == 0)
            snprintf(text, sizeof text, "%lu:%lu", status.st_dev, status.st_ino);
        string(kinds[i], text);
    }
    fputs("\"\":null},", out);
}

/* [fd, where it leads, its flags in octal (close-on-exec included)] */
static void descriptors(void)
{
    DIR *const folder = opendir("/proc/self/fd");
    struct dirent *entry;

    name("fds");
    putc('[', out);
    while (folder && (entry = readdir(folder))) {
        const int fd = atoi(entry->d_name);
        char path[64], target[4096], flags[32] = "";
        if (entry->d_name[0] == '.' || fd == dirfd(folder))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *const info = fopen(path, "re");
        if (info && fscanf(info, "pos: %*d flags: %31s", flags) != 1)
            flags[0] = '\0';
        if (info)
            fclose(info);
        fprintf(out, "[%d,", fd);
        quoted(target, strlen(target));
        fprintf(out, ",\"%s\"],", flags);
    }
    fputs("null],", out);
    if (folder)
        closedir(folder);
}

/* {name: flags} of every network interface, those that are down included. */
static void interfaces(void)
{
    struct if_nameindex *const all = if_nameindex();
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    name("interfaces");
    putc('{', out);
    for (struct if_nameindex *i = all; i && i->if_index; i++) {
        struct ifreq request = {0};
        strncpy(request.ifr_name, i->if_name, IFNAMSIZ - 1);
        ioctl(fd, SIOCGIFFLAGS, &request);
        number(i->if_name, (unsigned short)request.ifr_flags);
    }
    fputs("\"\":0},", out);
    if (all)
        if_freenameindex(all);
    close(fd);
}

static void identity(void)
{
    unsigned int r, e, s;
    gid_t groups[256];
    struct utsname host;

    getresuid(&r, &e, &s);
    fprintf(out, "\"uids\":[%u,%u,%u],", r, e, s);
    getresgid(&r, &e, &s);
    fprintf(out, "\"gids\":[%u,%u,%u],", r, e, s);
    name("groups");
    putc('[', out);
    const int count = getgroups(256, groups);
    for (int i = 0; i < count; i++)
        fprintf(out, "%u,", groups[i]);
    fputs("null],", out);
    number("pid", getpid());
    number("ppid", getppid());
    number("pgrp", getpgrp());
    number("sid", getsid(0));
    uname(&host);
    string("hostname", host.nodename);
    string("domainname", host.domainname);
}

static void settings(void)
{
    int death_signal = -1;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    number("death_signal", death_signal);
    number("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    number("keepcaps", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    number("securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    number("timerslack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    number("secure", (long)getauxval(AT_SECURE));
    string("execfn", (const char *)getauxval(AT_EXECFN));
    number("nice", getpriority(PRIO_PROCESS, 0));
    number("scheduler", sched_getscheduler(0));
}

int main(int argc, char **argv)
{
    static const char *const files[] = {
        "status", "stat", "cmdline", "environ", "uid_map", "gid_map", "setgroups", "cgroup",
        "limits", "mountinfo", "oom_score_adj", "personality", "coredump_filter"};

    /* Written to memory first: the report itself must not be an open file more. */
    char *text = NULL;
    size_t length = 0;
    out = open_memstream(&text, &length);
    putc('{', out);
    descriptors();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        proc_file(files[i]);
    proc_link("cwd");
    proc_link("exe");
    namespaces();
    interfaces();
    identity();
    settings();
    fputs("\"\":null}\n", out);
    fclose(out);
    const int fd = argc > 1 && argv[1][0] == '/' ? open(argv[1], O_WRONLY | O_TRUNC) : 3;
    for (size_t done = 0; done < length;) {
        const ssize_t n = write(fd, text + done, length - done);
        if (n < 0)
            return 1;
        done += (size_t)n;
    }
    return 0;
}
