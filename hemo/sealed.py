"""Files that nobody changes unnoticed who lacks a key: what a killed training goes on from."""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from hemo import console
from hemo.whole import opened, replacing

SEAL: Final = hashlib.sha256().digest_size
"""Bytes before a file's content: their HMAC-SHA256 (RFC 2104), of the file's place as well."""

LARGEST: Final = 1 << 32
"""Bytes that no checkpoint of a network trained here comes near."""


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
                if os.fstat(stream.fileno()).st_size > LARGEST or not self._is_sealed(stream):
                    console.err.print(f"{self.path}: not what was written there: it is made again")
                    return None
                stream.seek(SEAL)
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            console.err.print(f"{self.path}: unreadable ({fault.strerror}): it is made again")
            return None

    def write(self, content: bytes) -> None:
        """Write content, whole or not at all, in a folder that is made.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        seal = self._begun()
        seal.update(content)
        with replacing(self.path) as partial:
            partial.write_bytes(seal.digest() + content)

    def _begun(self) -> hmac.HMAC:
        place = f"{self.path.parent.name}/{self.path.name}\0".encode("utf-8", "surrogateescape")
        return hmac.new(self.key, place, "sha256")

    def _is_sealed(self, stream: BinaryIO) -> bool:
        """Tell whether an open file is as it was sealed, a piece at a time: it may be anything."""
        found, seal = stream.read(SEAL), self._begun()
        while piece := stream.read(1 << 20):
            seal.update(piece)
        return hmac.compare_digest(found, seal.digest())
