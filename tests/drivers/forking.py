"""Start commands in four threads while the main thread forks copies that live on.

Run as ``python forking.py SECONDS``. Prints how many starts and forks there were.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings

from whoever import OWN_MAP

import nsexplore as nx

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)
EXECER = nx.NamespacingExecer(**OWN_MAP)


def start_in_a_thread() -> int:
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(EXECER.run("/bin/true").returncode), daemon=True
    )
    thread.start()
    thread.join(20)
    return codes[0] if codes else 2


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, that is the point
    until = time.monotonic() + float(sys.argv[1])
    starts = [0] * 4
    failures: list[BaseException] = []

    def storm(number: int) -> None:
        try:
            while time.monotonic() < until:
                if starts[number] % 2:
                    assert EXECER.run("/bin/cat", input="x").stdout == "x"
                else:
                    EXECER.start("/bin/true").wait()
                starts[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    copies = []
    codes = []
    while time.monotonic() < until:
        copy = os.fork()
        if copy == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should this driver be killed
            try:
                if len(copies) % 5 == 0:  # a copy can start commands itself
                    os._exit(start_in_a_thread())
                time.sleep(120)
            finally:
                os._exit(1)
        copies.append(copy)
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    for number, copy in enumerate(copies):
        if number % 5:
            os.kill(copy, signal.SIGKILL)
        codes.append((number % 5 != 0, os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])))
    assert not failures, failures
    assert all(code == (-signal.SIGKILL if killed else 0) for killed, code in codes), codes
    print(min(starts), len(copies))


if __name__ == "__main__":
    main()
