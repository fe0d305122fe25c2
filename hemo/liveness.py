"""Whether a process that left its name behind is still there."""

import re
import socket
from typing import Final

import psutil

_NAME: Final = re.compile(r"(?P<host>.+)[:|](?P<pid>\d+)[@|](?P<started>\d+(?:\.\d+)?)")
"""With bars in place of colon and at sign in records of version 0.1."""


def this_process() -> str:
    """Return the name of this process, `host:pid@start`: no other ever has the same."""
    me = psutil.Process()
    return f"{socket.gethostname()}:{me.pid}@{me.create_time():.2f}"


def is_alive(process: str) -> bool | None:
    """Return whether a process still runs; None where that cannot be told, as it is on another machine.

    Parameters
    ----------
    process
        What `this_process` gave it.

    Examples
    --------
    >>> is_alive(this_process())
    True
    >>> is_alive("elsewhere:1@1.00") is None
    True
    """
    name = _NAME.fullmatch(process)
    if name is None or name["host"] != socket.gethostname():
        return None
    try:
        found = psutil.Process(int(name["pid"]))
        # A number is given again; a process that began at another moment is another one.
        same = abs(found.create_time() - float(name["started"])) < 1
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
