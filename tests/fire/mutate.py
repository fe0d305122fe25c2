"""Faults of bytes and of structure: each takes a good input apart and makes a bad one of it."""

import struct

from numpy.random import Generator

ODD_NUMBERS = (
    b"inf", b"nan", b"-1", b"1e308", b"0", b"99999999999999999999", b"", b"\\", b"1\\2\\3\\4\\5\\6\\7",
    b"0x7f", b"\xff\xfe", b"[/red]", b"=1+1",
)  # fmt: skip
"""What is written in the place of numbers and words."""

SIZES = (0, 1, 2, 63, 64, 127, 128, 255, 256, 4095, 4096, 4097, 32_767, 32_768, 65_535)
SIZES_32 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 60_000, 1 << 20, 1 << 28, 1 << 30)


def _place(rng: Generator, data: bytes) -> int:
    """Return a place in a file: mostly in its first bytes, where headers are."""
    end = len(data) if rng.random() < 0.3 else min(len(data), 2000)
    return int(rng.integers(max(end, 1)))


def flipped(rng: Generator, data: bytes) -> bytes:
    """Change single bytes."""
    result = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if result:
            result[_place(rng, data)] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
    return bytes(result)


def cut(rng: Generator, data: bytes) -> bytes:
    """End too early."""
    return data[: _place(rng, data)]


def sized(rng: Generator, data: bytes) -> bytes:
    """Write an odd size of two or four bytes over what is there."""
    result = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = _place(rng, data) // 2 * 2
        if place + 4 <= len(result):
            order = str(rng.choice(["<", ">"]))
            if rng.random() < 0.5:
                struct.pack_into(f"{order}H", result, place, int(rng.choice(SIZES)))
            else:
                struct.pack_into(f"{order}I", result, place, int(rng.choice(SIZES_32)))
    return bytes(result)


def odd(rng: Generator, data: bytes) -> bytes:
    """Write an odd number or word over, or between, what is there."""
    place = _place(rng, data)
    word = ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS)))]
    over = len(word) if rng.random() < 0.6 else 0
    return data[:place] + word + data[place + over :]


def doubled(rng: Generator, data: bytes) -> bytes:
    """Repeat a piece, up to a thousand times."""
    start = _place(rng, data)
    piece = data[start : start + int(rng.integers(1, 200))]
    times = int(rng.choice([2, 3, 100, 1000]))
    return data[:start] + piece * times + data[start:]


def swapped(rng: Generator, data: bytes) -> bytes:
    """Exchange two pieces."""
    first, second = sorted((_place(rng, data), _place(rng, data)))
    length = int(rng.integers(1, 100))
    one, other = data[first : first + length], data[second : second + length]
    return data[:first] + other + data[first + length : second] + one + data[second + length :]


def emptied(rng: Generator, data: bytes) -> bytes:
    """Leave a piece out."""
    start = _place(rng, data)
    return data[:start] + data[start + int(rng.integers(1, 400)) :]


FAULTS = (flipped, flipped, sized, sized, odd, odd, cut, doubled, swapped, emptied)


def mutated(rng: Generator, data: bytes) -> bytes:
    """Return an input with one to three faults."""
    for _ in range(int(rng.integers(1, 4))):
        data = FAULTS[int(rng.integers(len(FAULTS)))](rng, data)
    return data
