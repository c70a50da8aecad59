"""Linux capabilities by name, as capabilities(7) numbers them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ._renders import Renders

__all__ = ["CAPABILITY_NAMES", "Capabilities", "CapabilitySet"]

# include/uapi/linux/capability.h, in the order of their numbers; CAP_CHECKPOINT_RESTORE
# (40, Linux 5.9) is the last one as of 6.18.
_NAMES: Final = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER
    SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
    MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
    CHECKPOINT_RESTORE
"""
CAPABILITY_NAMES: Final[tuple[str, ...]] = tuple(f"CAP_{name}" for name in _NAMES.split())


@dataclass(frozen=True, slots=True)
class CapabilitySet(Renders):
    """One set of capabilities: the kernel's mask, readable by name.

    Examples
    --------
    >>> CapabilitySet(1 << 21).names
    ('CAP_SYS_ADMIN',)
    >>> "CAP_SYS_ADMIN" in CapabilitySet(1 << 21)
    True
    """

    mask: int

    def __post_init__(self) -> None:
        if isinstance(self.mask, bool) or not isinstance(self.mask, int) or self.mask < 0:
            raise ValueError(f"mask={self.mask!r} is not a capability mask, an integer from 0 on")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in numeric order; a bit newer than this table is ``CAP_<number>``."""
        return tuple(
            CAPABILITY_NAMES[bit] if bit < len(CAPABILITY_NAMES) else f"CAP_{bit}"
            for bit in range(self.mask.bit_length())
            if self.mask >> bit & 1
        )

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __str__(self) -> str:
        if not self.mask:
            return "none"
        known = len(CAPABILITY_NAMES)
        missing = [n for bit, n in enumerate(CAPABILITY_NAMES) if not self.mask >> bit & 1]
        if len(missing) > 4:
            return ", ".join(self.names)
        newer = "".join(f" and {name}" for name in self.names[known - len(missing) :])
        if not missing:
            return f"all {known}{newer}"
        return f"{known - len(missing)} of {known}, all but {', '.join(missing)}{newer}"


@dataclass(frozen=True, slots=True)
class Capabilities(Renders):
    """The five capability sets of a thread, from the ``Cap*`` lines of /proc/PID/status.

    They count in the user namespace that the process is a member of, and
    below it, never outside (user_namespaces(7)).
    """

    inheritable: CapabilitySet
    permitted: CapabilitySet
    effective: CapabilitySet
    bounding: CapabilitySet
    ambient: CapabilitySet
