"""What lies below hemo, made to fail at its n-th call: files, Parquet and MLflow's store."""

import errno
import io
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

ENDED: Final = 86
"""Exit status of a process that a fault ended."""

STORE_WRITES: Final = (
    "create_run", "set_tag", "set_terminated", "create_model_version", "set_model_version_tag",
    "set_registered_model_alias", "delete_registered_model_alias", "log_artifacts",
)  # fmt: skip

SQLITE: Final = {
    "ENOSPC": "database or disk is full",
    "EIO": "disk I/O error",
    "EROFS": "attempt to write a readonly database",
}
"""What SQLite says of a fault."""

KINDS: Final = {
    "os.replace": ("ENOSPC", "EIO", "EROFS", "EACCES", "Ctrl-C", "end", "end behind"),
    "os.mkdir": ("ENOSPC", "EIO", "EROFS", "EACCES", "Ctrl-C", "end", "end behind"),
    "os.fsync": ("ENOSPC", "EIO", "Ctrl-C", "end"),
    "open to write": ("ENOSPC", "EIO", "EROFS", "EACCES", "Ctrl-C", "end"),
    "write": ("ENOSPC", "EIO", "Ctrl-C", "end", "end behind"),
    "Parquet write": ("ENOSPC", "EIO", "Ctrl-C", "end"),
    "read a source": ("EIO", "EACCES", "Ctrl-C", "end"),
    "tracking store": ("ENOSPC", "EIO", "EROFS", "Ctrl-C", "end", "end behind"),
}
"""What can fail, and in which ways it does; `end behind` is the end of the process when the call is done."""


@dataclass(frozen=True)
class Fault:
    """The `number`-th call of `point`, from 1, fails as `kind` says."""

    point: str
    number: int
    kind: str


@dataclass
class Below:
    """Counts the calls of everything in `KINDS` that are for files below a folder, and lets one fail."""

    root: str
    fault: Fault | None
    calls: Counter[str] = field(default_factory=Counter)

    def call(self, point: str, real: Callable[[], Any], path: Any = None) -> Any:
        """Make a call, or let it fail."""
        self.calls[point] += 1
        fault = self.fault
        if fault is None or fault.point != point or fault.number != self.calls[point]:
            return real()
        if fault.kind == "end behind":
            real()
        if fault.kind.startswith("end"):
            os._exit(ENDED)
        if fault.kind == "Ctrl-C":
            raise KeyboardInterrupt
        if point == "tracking store":
            raise MlflowException(f"(sqlite3.OperationalError) {SQLITE[fault.kind]}")
        number = getattr(errno, fault.kind)
        raise OSError(number, os.strerror(number), *([os.fsdecode(path)] if path is not None else []))

    def ours(self, path: Any) -> bool:
        """Return whether a path is below the folder."""
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.root)

    def install(self) -> None:
        """Put itself between hemo and the system, in this process, for good."""
        for module, name in ((os, "replace"), (os, "mkdir")):
            setattr(module, name, self._with_path(f"os.{name}", getattr(module, name)))
        sync, low, high = os.fsync, os.open, io.open
        os.fsync = lambda fd: self.call("os.fsync", lambda: sync(fd))

        def open_low(path: Any, flags: int, *words: Any, **named: Any) -> int:
            point = "open to write" if flags & (os.O_WRONLY | os.O_RDWR) else "read a source"
            counted = self.ours(path) and (point == "open to write" or not os.path.isdir(path))
            real = lambda: low(path, flags, *words, **named)  # noqa: E731
            return int(self.call(point, real, path) if counted else real())

        def open_high(path: Any, mode: str = "r", *words: Any, **named: Any) -> Any:
            real = lambda: high(path, mode, *words, **named)  # noqa: E731
            if not self.ours(path):
                return real()
            if mode.strip("bt") == "r":
                return self.call("read a source", real, path) if "images" in str(path) else real()
            stream = self.call("open to write", real, path)
            write = stream.write

            def written(content: Any) -> Any:
                return self.call("write", lambda: write(content))

            stream.write = written
            return stream

        os.open, io.open = open_low, open_high  # type: ignore[assignment]
        for kind, names, point in (
            (pq.ParquetWriter, ("write_batch", "write_table"), "Parquet write"),
            (MlflowClient, STORE_WRITES, "tracking store"),
        ):
            for name in names:
                setattr(kind, name, self._method(point, getattr(kind, name)))

    def _with_path(self, point: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *words: Any, **named: Any) -> Any:
            if not self.ours(path):
                return real(path, *words, **named)
            return self.call(point, lambda: real(path, *words, **named), path)

        return called

    def _method(self, point: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any, **named: Any) -> Any:
            return self.call(point, lambda: real(*words, **named))

        return called


def leftovers(folder: Path) -> list[str]:
    """Return temporary files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if ".tmp" in path.name or path.name.endswith("~"))
