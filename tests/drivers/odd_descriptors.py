"""Start commands with standard descriptors closed and with few to be had; complain on stderr."""

from __future__ import annotations

import errno
import itertools
import os
import resource

from held_by_us import descriptors
from whoever import HAS_USER_NAMESPACES, OWN_MAP

import nsexplore as nx

EXECER = nx.NamespacingExecer(**OWN_MAP)


def closed_standard_descriptors() -> int:
    """Every subset of fd 0, 1 and 2 is closed here; in the child they are what was asked for."""
    saved = {fd: os.dup(fd) for fd in range(3)}
    saved = {fd: os.dup2(copy, 100 + fd, inheritable=False) for fd, copy in saved.items()}
    os.closerange(3, 99)
    file = os.open("/etc/hostname", os.O_RDONLY)
    os.dup2(file, 90, inheritable=False)
    os.close(file)
    tried = 0
    for closed in itertools.chain.from_iterable(
        itertools.combinations(range(3), n) for n in range(4)
    ):
        for fd in closed:
            os.close(fd)
        before = descriptors()
        execer = nx.NamespacingExecer(
            **OWN_MAP, extra_files=[90, 90], mount_proc=HAS_USER_NAMESPACES
        )
        # sh's own descriptors are above these; readlink's are not looked at
        done = execer.run(
            "/bin/sh", "-c", "for n in 0 1 2 3 4 5 6; do readlink /proc/$$/fd/$n; done"
        )
        plain = execer.start("/bin/true").wait()
        left = descriptors()
        for fd in closed:
            os.dup2(saved[fd], fd)
        links = done.stdout.split()
        assert done.returncode in (0, 1), done
        assert links[0] == "/dev/null", (closed, links)
        assert links[1].startswith("pipe:"), (closed, links)
        assert links[2].startswith("pipe:"), (closed, links)
        assert links[3:] == ["/etc/hostname"] * 2, (closed, links)
        assert plain == 0
        assert left == before, (closed, before, left)
        tried += 1
    return tried


def few_descriptors() -> tuple[int, int]:
    """With each limit a start works, or fails with EMFILE (EINVAL from F_DUPFD), leaving none."""
    assert EXECER.run("/bin/true").returncode == 0  # everything is imported by now
    worked = failed = 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in range(3, 32):
        command = EXECER.plan("/bin/true")
        before = descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            process = EXECER.command_runner.start(command)
        except nx.StartError as error:
            if error.errno not in (errno.EMFILE, errno.EINVAL):
                raise
            failed += 1
        else:
            worked += 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            assert process.wait() == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        assert descriptors() == before, limit
    return worked, failed


if __name__ == "__main__":
    worked, failed = few_descriptors()
    assert worked, "no limit was enough"
    assert failed, "no limit was too low"
    print(closed_standard_descriptors(), worked, failed)
