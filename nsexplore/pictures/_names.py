"""How namespaces and processes are called."""

from ..naming import namespace_name, pid_name

__all__ = ["namespace_name", "pid_name"]
