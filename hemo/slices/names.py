"""Names of files, volumes and patients: the one spelling in which tables and folders are compared."""

import os
import re
import unicodedata
from typing import Final

_PADDED: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")
_NUMBERS: Final = re.compile(r"([0-9]+)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_GAPS: Final = re.compile(r"[\s_-]+")


def readable(name: str) -> str:
    r"""Return a file's name as text that can be written anywhere.

    The bytes of a name that is no UTF-8 are taken for Windows' Western European (cp1252), as old archives
    have them. Control characters, which a terminal would obey, are written as Python writes them.

    Examples
    --------
    >>> readable("scan\x1b[31m.dcm")
    'scan\\x1b[31m.dcm'
    """
    if name.isprintable():
        return name
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        name = os.fsencode(name).decode("cp1252", "replace")
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], name)


def normalized(name: str) -> str:
    r"""Return a name in one Unicode form (NFKC), with slashes between folders, whatever system wrote it.

    Examples
    --------
    >>> normalized("C:\\data\\s0.png")
    'C:/data/s0.png'
    """
    if name.isascii():
        return name.replace("\\", "/").strip()
    return unicodedata.normalize("NFKC", readable(name)).replace("\\", "/").strip()


def without_zeros(name: str) -> str:
    """Return a name without the zeros before its numbers.

    Examples
    --------
    >>> without_zeros("p007/000.png")
    'p7/0.png'
    """
    return _PADDED.sub("", name) if "0" in name else name


def bare(name: str) -> str:
    """Return a name without what often differs between a table and folders: gaps, case, zeros, repetition.

    Spaces, hyphens and underscores are left out, zeros before numbers too, and of a name that is there twice
    one is: CQ500 calls `CQ500-CT-7` in its table what lies in `CQ500CT7 CQ500CT7`.

    Examples
    --------
    >>> bare("CQ500-CT-7"), bare("CQ500CT7 CQ500CT7"), bare("7-7")
    ('cq500ct7', 'cq500ct7', '77')
    """
    parts = [part for part in _GAPS.split(without_zeros(normalized(name)).casefold()) if part]
    half = len(parts) // 2
    if len(parts) == 2 * half and parts[:half] == parts[half:] and any(map(_has_letter, parts)):
        parts = parts[:half]
    return "".join(parts)


def _has_letter(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def plain(name: str) -> str:
    """Return a volume's or patient's name as tables and folders agree on it: no suffix, no leading zeros.

    Examples
    --------
    >>> plain("049.nii.gz")
    '49'
    """
    name = normalized(name)
    for suffix in (".nii.gz", ".nii"):
        name = name.removesuffix(suffix)
    return (name.lstrip("0") or "0") if name.isascii() and name.isdecimal() else name


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts names with the numbers in them as numbers: `2.png` before `10.png`.

    Examples
    --------
    >>> sorted(["scan (10)", "scan (2)"], key=natural)
    ['scan (2)', 'scan (10)']
    """
    parts = enumerate(_NUMBERS.split(name))
    return tuple((int(part), part) if place % 2 else (-1, part) for place, part in parts)


def pattern(name: str) -> str:
    """Return a name with a 0 in the place of each of its numbers.

    Examples
    --------
    >>> pattern("slice_12_of_30")
    'slice_0_of_0'
    """
    return _NUMBERS.sub("0", name)


def numbers(name: str) -> list[int]:
    """Return the numbers in a name.

    Examples
    --------
    >>> numbers("slice_12_of_30")
    [12, 30]
    """
    return [int(digits) for digits in _NUMBERS.findall(name)]
