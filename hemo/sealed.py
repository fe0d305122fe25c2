"""Files that nobody changes unnoticed who lacks a key: what a killed training goes on from."""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from hemo import console
from hemo.whole import opened, replacing

SEAL: Final = hashlib.sha256().digest_size
"""Bytes behind a file's content: its HMAC-SHA256 (RFC 2104), of the file's place as well."""

LARGEST: Final = 1 << 32
"""Bytes that no checkpoint of a network trained here comes near."""

PIECE: Final = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True)
class Sealed:
    """A file and the key under which it is sealed.

    Attributes
    ----------
    path
        The seal covers its name and its folder's: sealed files do not stand for each other.
    key
        Without one, the seal finds accidents only.
    """

    path: Path
    key: bytes = field(default=b"", repr=False)

    def read(self) -> bytes | None:
        """Return what was written; None where nothing was, or something else lies there, which is said."""
        try:
            with opened(self.path) as stream:
                size = os.fstat(stream.fileno()).st_size - SEAL
                if 0 <= size <= LARGEST and hmac.compare_digest(self._seal(stream, size), stream.read()):
                    stream.seek(0)
                    return stream.read(size)
            console.err.print(f"{self.path}: not what was written there: it is made again")
            return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            console.err.print(f"{self.path}: unreadable ({fault.strerror}): it is made again")
            return None

    def write(self, fill: Callable[[Path], object]) -> None:
        """Write a file, whole or not at all, in a folder that is made.

        Parameters
        ----------
        fill
            Writes the content under a name that it is given: a network's need not be in memory twice.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as partial:
            fill(partial)
            with partial.open("r+b") as stream:
                seal = self._seal(stream, partial.stat().st_size)
                stream.seek(0, os.SEEK_END)
                stream.write(seal)

    def _seal(self, stream: BinaryIO, size: int) -> bytes:
        """Return the seal of the next bytes of a file, read a piece at a time: it may be anything."""
        place = f"{self.path.parent.name}/{self.path.name}\0".encode("utf-8", "surrogateescape")
        seal = hmac.new(self.key, place, "sha256")
        while size > 0 and (piece := stream.read(min(PIECE, size))):
            seal.update(piece)
            size -= len(piece)
        return seal.digest()
