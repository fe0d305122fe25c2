"""The one exception that users are meant to see."""


class HemoError(Exception):
    """A fault in what the user gave: names the file or word, the fault and the remedy, in one line.

    The command line prints the message without a traceback and exits with status 2.
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in a notebook in place of the traceback."""
        return [f"{type(self).__name__}: {self}"]
