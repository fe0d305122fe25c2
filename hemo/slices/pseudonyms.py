"""Keyed pseudonyms: identifiers of patients and studies stay with whoever holds the key."""

import functools
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from hemo.errors import HemoError
from hemo.whole import beside, opened

SHORTEST_KEY = 16
"""Bytes below which a key could be guessed together with the identifiers."""

LONGEST_KEY = 1024
"""Bytes above which a file is taken for something else."""


def key_path(store: Path) -> Path:
    """Return where a store's key lies: beside the store, so that sharing one does not share the other."""
    store = store.resolve()
    return store.with_name(store.name + ".key")


def load_or_make_key(path: Path, make: bool) -> bytes:
    """Return the key in a file; make a random one, readable by its owner only, where there is none.

    Raises
    ------
    HemoError
        If the key is too short, or absent where it must not be made anew.
    """
    try:
        with opened(path) as stream:
            key = stream.read(LONGEST_KEY + 3).strip()
    except FileNotFoundError:
        key = b""
    except OSError as error:
        raise HemoError(
            f"{path}: unreadable key ({error.strerror}): check its permissions, or give another file"
        ) from error
    if not key:  # nor is a file of no bytes one, as a full disk left it
        if not make:
            raise HemoError(
                f"{path}: the key of this store's pseudonyms is gone: put it back, or build anew elsewhere"
            ) from None
        return _made(path)
    if len(key) > LONGEST_KEY or (key.isascii() and len(key.splitlines()) > 1):
        raise HemoError(
            f"{path}: no key, which is a line of text or random bytes, {LONGEST_KEY} at most: "
            "give another file"
        )
    if len(key) < SHORTEST_KEY:
        raise HemoError(f"{path}: a key of {len(key)} bytes can be guessed: use at least {SHORTEST_KEY}")
    return key


def _made(path: Path) -> bytes:
    """Write a new key, whole or not at all, and not over one that another process wrote meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    key = secrets.token_hex(32).encode()
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(key + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists() and not path.stat().st_size:
            path.unlink()
        os.link(partial, path)
    except FileExistsError:
        return load_or_make_key(path, make=False)
    finally:
        partial.unlink(missing_ok=True)
    return key


def fingerprint(key: bytes) -> str:
    """Return a short name of a key, that tells two keys apart and gives neither away."""
    return hashlib.sha256(b"hemo key\0" + key).hexdigest()[:16]


@functools.lru_cache(maxsize=1024)  # a patient's slices come one after another
def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Return 16 hexadecimal digits for a patient's or study's identifier (HMAC-SHA256, RFC 2104).

    Examples
    --------
    >>> pseudonym(b"a key of 16 bytes", "patient", "007")
    'cb32c13142adba11'
    >>> pseudonym(b"some other key  ", "patient", "007")
    'a918db382faba319'
    """
    text = f"{kind}\0{identifier}".encode("utf-8", "surrogateescape")
    return hmac.digest(key, text, "sha256").hex()[:16]


def slice_ids(key: bytes, names: Iterable[str]) -> list[str]:
    """Return what a store's slices are called outside it: their place in it, and a keyed hash of their name.

    Sorted, they are in the order of the store, which depends on no key: so no figure does that follows from
    the order of slices, as the draws of an interval do.

    Examples
    --------
    >>> slice_ids(b"a key of 16 bytes", ["DOE_JANE/scan-1", "DOE_JANE/scan-2"])
    ['0000000-ca8ead04', '0000001-3514593a']
    """
    return [f"{place:07d}-{keyed_hash(key, name) & 0xFFFFFFFF:08x}" for place, name in enumerate(names)]


def keyed_hash(key: bytes, text: str) -> int:
    """Return a keyed 64-bit number for a text, to compare names without keeping them."""
    hasher = _keyed(key).copy()
    hasher.update(text.encode("utf-8", "surrogateescape"))
    return int.from_bytes(hasher.digest(), "little", signed=True)


@functools.lru_cache(maxsize=16)
def _keyed(key: bytes) -> "hashlib.blake2b":
    """Return a hasher that has taken the key in, which takes as long as a name does."""
    return hashlib.blake2b(digest_size=8, key=key[:64], person=b"hemo name")
