"""What only prints what stands in it: then its output is no answer of the kernel's."""

from __future__ import annotations

import os
import re
from typing import Final

from ..command import Command

__all__ = ["prints_only"]

_SHELLS: Final = frozenset({"sh", "dash", "bash"})
_PRINTERS: Final = frozenset({"echo", "printf", "true", ":", "exit"})
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_MORE_THAN_WORDS: Final = frozenset("\\'\"$`<>#(){}")


def prints_only(command: Command) -> bool:
    """Return whether a command can do nothing but print words that it was given.

    That is said of echo(1) and printf(1), and of a shell's script that has no other command:
    wherever it may do more (an expansion, a redirection, a function), it is not said.
    """
    program, *words = command.args
    name = os.path.basename(program)
    if name in _SHELLS and len(words) > 1 and re.fullmatch("-[a-z]*c", words[0]):
        return _is_printing(words[1])
    return name in ("echo", "printf")


def _is_printing(script: str) -> bool:
    bare = _QUOTED.sub("quoted", script)
    firsts = {part.split()[0] for part in re.split("[;&|\n]", bare) if part.strip()}
    return not _MORE_THAN_WORDS & set(bare) and firsts <= _PRINTERS
