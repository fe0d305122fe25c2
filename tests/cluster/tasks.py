"""Tasks for workers, which have to be able to import them."""

import os
import signal
import time


def double(number: int) -> int:
    """Return twice a number; refuse 5, and be killed by 3."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise ValueError("no five")
    return 2 * number


def slow_but_for_the_first(number: int) -> int:
    """Return the number, after a minute unless it is 0."""
    if number:
        time.sleep(60)
    return number
