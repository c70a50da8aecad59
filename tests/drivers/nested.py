"""A process in each of several user namespaces, one inside the other.

``nested.py MAPS``, where MAPS is JSON: a list of (uid map, gid map), outermost first, each
with a line for root. Prints the PIDs, as JSON. They all end when its input ends.
"""

from __future__ import annotations

import json
import os
import sys

from making import enter_user

pids = []
reader, writer = os.pipe()  # whoever is above may not be signalled from below
for uid_map, gid_map in json.loads(sys.argv[1]):
    enter_user(uid_map, gid_map, "allow")
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    pids.append(pid)
print(json.dumps(pids), flush=True)
sys.stdin.read()
os.close(writer)
for pid in pids:
    os.waitpid(pid, 0)
