"""Files that nobody changes unnoticed who lacks a key: what a killed training goes on from."""

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hemo import console
from hemo.whole import replacing

SEAL: Final = hashlib.sha256().digest_size
"""Bytes before a file's content: their HMAC-SHA256 (RFC 2104), of the file's place as well."""


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
            found = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            console.err.print(f"{self.path}: unreadable ({fault.strerror}): it is made again")
            return None
        seal, content = found[:SEAL], found[SEAL:]
        if hmac.compare_digest(seal, self._seal(content)):
            return content
        console.err.print(f"{self.path}: not what was written there: it is made again")
        return None

    def write(self, content: bytes) -> None:
        """Write content, whole or not at all, in a folder that is made.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as partial:
            partial.write_bytes(self._seal(content) + content)

    def _seal(self, content: bytes) -> bytes:
        place = f"{self.path.parent.name}/{self.path.name}\0".encode("utf-8", "surrogateescape")
        return hmac.digest(self.key, place + content, "sha256")
