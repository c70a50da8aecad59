"""What whoever runs this may ask of `NamespacingExecer`: root, a user, or one who is locked down.

Each stands for the nearest to it that can be started here.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

IS_ROOT = os.geteuid() == 0
# Asked of util-linux, not of us.
HAS_USER_NAMESPACES = not subprocess.run(
    ["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False
).returncode

BARE: dict[str, Any] = {"privileged": True, "clone_flags": 0}
"""In no new namespace at all: anybody may, anywhere."""

ROOTLESS: dict[str, Any] = {"id_map": "rootless"} if HAS_USER_NAMESPACES else BARE
"""In a user namespace, with a map that anybody may write."""

OWN_MAP: dict[str, Any] = {"max_uid": 65535} if IS_ROOT else ROOTLESS
"""In a user namespace, with garden's map for root."""

_OWN_ID = {"id_map": [[0, os.getuid(), 1]], "gid_map": [[0, os.getgid(), 1]]}
TRACEABLE: dict[str, Any] = OWN_MAP if IS_ROOT or not HAS_USER_NAMESPACES else _OWN_ID
"""As `OWN_MAP`, but never written by newuidmap, which cannot do it under a tracer. As JSON."""

UNMAPPED: dict[str, Any] = {"privileged": True} if IS_ROOT else BARE
"""In no user namespace: garden's privileged mode for root."""
