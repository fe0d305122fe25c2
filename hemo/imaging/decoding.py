"""Decoders in a process of their own: what ends one takes a file with it, not the batch or the server.

Compressed DICOM and TIFF go through a dozen native libraries of different care. One worker a process is
started when the first such file comes, and again when it died; it is bounded in memory and each file in time.
JPEG and PNG, which are decoded in process, have the libraries that browsers trust, libjpeg-turbo and libpng.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.decoding_worker import SECONDS as CPU_SECONDS
from hemo.imaging.raw import Excluded

SECONDS: Final = 60.0
"""By the clock, which a busy machine does not slow down: the worker's own bound is of processor time."""

PIECE: Final = 1 << 20

_lock = threading.Lock()
_worker: "_Worker | None" = None


class _DiedError(Exception):
    """The worker ended, or took too long."""


class _Worker:
    """A process that decodes files, one after another."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        words = "from hemo.imaging.decoding_worker import serve; serve()"
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for its owner, at whose end its input ends
        )
        assert self.process.stdin
        assert self.process.stdout
        self.input: IO[bytes] = self.process.stdin
        self.output = self.process.stdout.fileno()

    def ask(self, kind: str, data: bytes) -> list[NDArray[Any]]:
        """Return what a file decodes to.

        Raises
        ------
        Excluded
            With the worker's reason.
        _DiedError
            Where it gives no answer.
        """
        deadline = time.monotonic() + SECONDS
        try:
            self.input.write(f"{kind} {len(data)}\n".encode())
            self.input.write(data)
            self.input.flush()
        except OSError as error:
            raise self._died() from error
        answer = json.loads(self._receive(int.from_bytes(self._receive(4, deadline), "big"), deadline))
        if "reason" in answer:
            raise Excluded(answer["reason"])
        return [
            np.frombuffer(self._receive(part["bytes"], deadline), part["dtype"]).reshape(part["shape"])
            for part in answer["arrays"]
        ]

    def _receive(self, count: int, deadline: float) -> bytearray:
        content = bytearray(count)
        view, done = memoryview(content), 0
        while done < count:
            ready, _, _ = select.select([self.output], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _DiedError(f"takes more than {SECONDS:g} seconds to decode")
            piece = os.read(self.output, min(PIECE, count - done))
            if not piece:
                raise self._died()
            view[done : done + len(piece)] = piece
            done += len(piece)
        return content

    def _died(self) -> _DiedError:
        """Return why the process ended."""
        self.process.wait()
        overtime = self.process.returncode == -signal.SIGXCPU
        return _DiedError(
            f"takes more than {CPU_SECONDS} seconds to decode" if overtime else "its decoder crashed"
        )

    def end(self) -> None:
        """Stop the process, if it is this one's own: a forked copy of its owner leaves it alone."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


def decode(kind: str, data: bytes) -> list[NDArray[Any]]:
    """Decode a file's pixels in the worker.

    Parameters
    ----------
    kind
        "dicom" (the stored numbers of all frames), "tiff" (a picture a page, as a viewer shows it), "png", or
        "parquet" (how many bytes it holds).
    data
        The file's bytes.

    Raises
    ------
    Excluded
        Where it cannot be decoded, or its decoder crashed, took too long or too much memory.
    """
    global _worker
    with _lock:
        if _worker is None or _worker.owner != os.getpid() or _worker.process.poll() is not None:
            _worker = _Worker()
            atexit.register(_worker.end)
        try:
            return _worker.ask(kind, data)
        except Excluded:  # an answer like any other
            raise
        except (
            BaseException
        ) as error:  # dead, or interrupted within an answer (Ctrl-C too): the next would be read amiss
            _worker.end()
            atexit.unregister(_worker.end)
            _worker = None
            if isinstance(error, _DiedError | json.JSONDecodeError):
                raise Excluded(
                    str(error) if isinstance(error, _DiedError) else "its decoder crashed"
                ) from error
            raise
