"""Run a program where nothing may be started in new namespaces, as in a container of Docker's.

python tests/locked_down.py PROGRAM [ARGUMENT …]
"""

from __future__ import annotations

import os
import sys

import seccomp

if __name__ == "__main__":
    seccomp.install(seccomp.docker())
    os.execvp(sys.argv[1], sys.argv[1:])
