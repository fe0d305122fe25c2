"""The order of a store's slices and the digest of its content, by what the images show alone."""

import hashlib
import json
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, STUDY_LABELS

Hashes = NDArray[np.uint64]
"""Hashes of images, (slices, 2)."""

IMAGE: Final = ("image_first", "image_second")
"""Columns of the two halves of an image's hash: half the memory of its digits."""

ROWS: Final = 2048
"""Slices handled at a time, where all at once would double the memory."""


def hashes(texts: pa.ChunkedArray) -> Hashes:
    """Return hashes of 32 hexadecimal digits as numbers, (n, 2), that sort as the texts do."""
    numbers = bytes.fromhex("".join(texts.to_pylist()))
    return np.frombuffer(numbers, ">u8").astype(np.uint64).reshape(-1, 2)


def _texts(hashes: Hashes) -> bytes:
    return hashes.astype(">u8").tobytes().hex().encode()


def _numbers(pseudonyms: pd.Series) -> NDArray[np.uint64]:
    """Return pseudonyms as the numbers that they are in digits: a fraction of the memory to compare."""
    parts = (pseudonyms.iloc[start : start + ROWS] for start in range(0, len(pseudonyms), ROWS))
    return np.fromiter((int(digits, 16) for part in parts for digits in part), np.uint64, len(pseudonyms))


def count(pseudonyms: pd.Series) -> int:
    """Return how many different pseudonyms there are."""
    numbers = _numbers(pseudonyms)
    numbers.sort()
    return int((numbers[1:] != numbers[:-1]).sum()) + (len(numbers) > 0)


def _codes(pseudonyms: pd.Series) -> NDArray[np.int32]:
    """Return a number from 0 for each of some pseudonyms or numbers, in the order of their first coming."""
    numbers = pseudonyms if pd.api.types.is_integer_dtype(pseudonyms.dtype) else _numbers(pseudonyms)
    return pd.factorize(numbers)[0].astype(np.int32)


def _ranks(images: Hashes, codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each group the rank of the digest of its images; equal codes stand together."""
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]][: len(codes)])
    digests = bytearray(16 * len(starts))
    for start, end in zip(starts, np.append(starts, len(codes))[1:], strict=True):
        place = 16 * int(codes[start])
        digests[place : place + 16] = hashlib.blake2b(_texts(images[start:end]), digest_size=16).digest()
    first, second = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2).T
    order = np.lexsort((second, first))
    differs = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    ranks = np.zeros(len(order), np.int32)
    ranks[order[1:]] = np.cumsum(differs)
    return ranks


def order_of(frame: pd.DataFrame, images: Hashes) -> NDArray[np.intp]:
    """Return the order of slices by patient, study, stack and `rank` in it, that no path or key decides.

    Patients, studies and stacks follow the digest of their images; `rank` is the order within stacks.
    """
    rank = frame["rank"].to_numpy()
    patient, study, stack = (_codes(frame[name]) for name in ("patient", "study", "stack"))
    order = np.lexsort((rank, stack))
    by_stack = _ranks(images[order], stack[order])[stack]
    order = np.lexsort((rank, stack, by_stack, study))
    by_study = _ranks(images[order], study[order])[study]
    order = order[np.lexsort((by_study[order], patient[order]))]
    by_patient = _ranks(images[order], patient[order])[patient]
    return np.lexsort((rank, stack, by_stack, study, by_study, patient, by_patient))


def content_digest(index: pd.DataFrame, images: Hashes, reduction: Reduction) -> str:
    """Return the digest of an ordered index and its images' digests: images, labels, grouping and options."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(json.dumps(reduction.to_json(), sort_keys=True).encode())
    for start in range(0, len(images), ROWS):
        hasher.update(_texts(images[start : start + ROWS]))
    hasher.update(np.stack([index[label].to_numpy(np.int8) for label in LABELS], axis=1).data)
    if known := [name for name in STUDY_LABELS if name in index]:
        hasher.update(np.stack([index[name].to_numpy(np.int8) for name in known], axis=1).data)
    for group in ("patient", "study", "stack"):
        hasher.update(_codes(index[group]).astype("<i4").tobytes())
    return hasher.hexdigest()
