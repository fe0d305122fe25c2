"""Changes of gray: window, gamma, inverted gray, and what is burned into a picture or drawn around it."""

import re
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from hemo.errors import HemoError
from hemo.imaging.windows import WINDOWS
from hemo.imaging.windows import window as known_window
from hemo.stress.stack import WHITE, Stack

LINES: Final = ("NAME^WITHHELD", "000000", "STUDY 1  SE 2", "120 kV  240 mA", "W:80  L:40")
"""What a viewer writes into the corners; no patient's."""


def as_gray(stack: Stack) -> Stack:
    """Return a stack as a viewer shows it: HU in the brain window."""
    return stack.windowed(*WINDOWS["brain"]) if stack.shown is None else stack


def window(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Show another window, `LEVEL/WIDTH` in HU."""
    return stack.windowed(*known_window(value))


def gamma(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Raise gray, from 0 to 1, to a power: screens and printers differ so."""
    stack = as_gray(stack)
    return stack.with_pixels(WHITE * (stack.pixels / WHITE) ** number(value, 0.2, 5))


def inverted(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Show black as white."""
    stack = as_gray(stack)
    return stack.with_pixels(WHITE - stack.pixels)


def text(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Burn lines of text into the upper left and the lower right corner, as high as a part of the picture."""
    stack = as_gray(stack)
    height, width = stack.pixels.shape[1:]
    part = number(value, 0.01, 0.1) * height
    scale = part / cv2.getTextSize("W", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)[0][1]
    drawn = np.rint(stack.pixels).astype(np.uint8)  # OpenCV writes into no other
    for slice_ in drawn:
        for line, words in enumerate(LINES):
            across = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
            down = round(1.6 * part * (line + 1))
            upper = (round(0.02 * width), down)
            lower = (
                round(0.98 * width) - across,
                height - round(1.6 * part * len(LINES)) + down - round(part),
            )
            for at in (upper, lower):
                cv2.putText(slice_, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, WHITE, 1, cv2.LINE_AA)
    return stack.with_pixels(drawn.astype(np.float32))


def frame(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Draw a white frame, as wide as a part of the picture."""
    stack = as_gray(stack)
    wide = max(round(number(value, 0.001, 0.2) * min(stack.pixels.shape[1:])), 1)
    drawn = stack.pixels.copy()
    drawn[:, :wide] = drawn[:, -wide:] = WHITE
    drawn[:, :, :wide] = drawn[:, :, -wide:] = WHITE
    return stack.with_pixels(drawn)


def jpeg(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Save as JPEG of a quality; what was saved so before is decoded, and saved again."""
    return replace(as_gray(stack), quality=round(number(value, 1, 100)))


def decoded(stack: Stack) -> Stack:
    """Return a stack with what its JPEG lose."""
    if not stack.quality:
        return stack
    pixels = [
        cv2.imdecode(np.frombuffer(saved(slice_, stack.quality), np.uint8), cv2.IMREAD_GRAYSCALE)
        for slice_ in stack.pixels
    ]
    return replace(stack, pixels=np.array(pixels, np.float32), quality=0)


def saved(pixels: np.ndarray, quality: int) -> bytes:
    """Return gray levels, (height, width), as the bytes of a JPEG of a quality, or for 0 of a PNG."""
    gray = np.clip(np.rint(pixels), 0, WHITE).astype(np.uint8)
    ending, words = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]) if quality else (".png", [])
    done, data = cv2.imencode(ending, gray, words or [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return bytes(data)


def number(value: str, least: float, most: float) -> float:
    """Return a change's value as a number.

    Raises
    ------
    HemoError
        If it is none, or out of bounds.
    """
    if not re.fullmatch(r"-?\d+(\.\d+)?", value) or not least <= float(value) <= most:
        raise HemoError(f"changes: '{value}' is no value here: give a number from {least:g} to {most:g}")
    return float(value)
