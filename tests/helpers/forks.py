"""Several processes at once, as commands that are started together."""

import os
from collections.abc import Callable

from tests.helpers.mlflow_default import forget_stores


def forked(*actions: Callable[[], object]) -> list[int]:
    """Do each in a process of its own, all at once; return how they ended."""
    forget_stores()  # a connection must not be shared with another process
    reading, writing = os.pipe()
    children = []
    for action in actions:
        child = os.fork()
        if not child:
            status = 1
            try:
                os.close(writing)
                os.read(reading, 1)  # until all are there
                action()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(reading)
    os.close(writing)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
