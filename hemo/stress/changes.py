"""What is changed: each kind with the values that occur in practice, and how they are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from hemo.errors import HemoError
from hemo.stress import placed, scanned, shown
from hemo.stress.stack import Stack

Apply = Callable[[Stack, str, np.random.Generator], Stack]


@dataclass(frozen=True)
class Kind:
    """A kind of change.

    Attributes
    ----------
    name
        What it is called: `jpeg`.
    words
        What is done, for people; `{}` stands for the value.
    values
        Those that occur in practice, from which an unasked-for `hemo stress` takes all.
    beyond
        Further values that are tried, and count for no bound: they are no slip of a setting.
    apply
        The change: a pure function of stack, value and generator.
    """

    name: str
    words: str
    values: tuple[str, ...]
    apply: Apply
    beyond: tuple[str, ...] = ()


KINDS: Final[Sequence[Kind]] = (
    Kind("window", "shown in the window {} HU", ("40/80", "35/100", "50/150", "80/200"), shown.window),
    Kind("gamma", "gray from 0 to 1 raised to {}", ("0.8", "1.25"), shown.gamma, ("0.6", "1.6")),
    Kind("inverted", "black shown as white", ("all",), shown.inverted),
    Kind("size", "saved with {} pixels a side", ("224", "512"), placed.size),
    Kind("field", "the head {} times as large in the picture", ("0.8", "1.15"), placed.field),
    Kind("turn", "turned by {} degrees", ("10", "-20"), placed.turn, ("90",)),
    Kind("flip", "turned round: {}", ("sides",), placed.flip, ("face",)),
    Kind("tilt", "the gantry tilted by {} degrees", ("10", "-10"), placed.tilt),
    Kind("thickness", "slices {} times as thick", ("2",), scanned.thickness, ("3",)),
    Kind("every", "each slice of {} kept", ("2",), scanned.every),
    Kind("noise", "{} HU of noise added", ("3",), scanned.noise, ("6",)),
    Kind("kernel", "the phantom's kernel {}", ("soft", "sharp"), scanned.kernel),
    Kind("jpeg", "saved as JPEG of quality {}", ("75", "50"), shown.jpeg, ("25",)),
    Kind("crop", "cropped to the head, with a margin of {}", ("0",), placed.crop),
    Kind("table", "a head holder behind the head: {}", ("old",), placed.table),
    Kind("text", "text in two corners, {} of the picture high", ("0.025",), shown.text),
    Kind("frame", "a white frame, {} of the picture wide", ("0.01",), shown.frame),
    Kind("pad", "black around the picture: {}", ("4:3", "1.5"), placed.pad),
    Kind("page", "on a white page {} times as large", ("1.2",), placed.page),
)
"""All kinds of changes, in the order of the table."""


@dataclass(frozen=True)
class Change:
    """One change, or several after one another.

    Attributes
    ----------
    parts
        Kinds with their values, in the order in which they are applied.
    """

    parts: tuple[tuple[Kind, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the change that is written as `window=80/200` or `window=80/200+size=224+jpeg=75`.

        Raises
        ------
        HemoError
            For an unknown kind or an impossible value.
        """
        known = {kind.name: kind for kind in KINDS}
        parts = []
        for word in text.split("+"):
            name, _, value = word.strip().partition("=")
            if name not in known:
                raise HemoError(f"changes: '{name}' is unknown: give some of {', '.join(known)}")
            parts.append((known[name], value or known[name].values[0]))
        change = cls(tuple(parts))
        change(Stack.of(np.full((2, 64, 64), 100.0), (40.0, 80.0)), 0)  # a wrong value is told before hours
        return change

    @property
    def name(self) -> str:
        """As it is written."""
        return "+".join(kind.name if value == "all" else f"{kind.name}={value}" for kind, value in self.parts)

    @property
    def words(self) -> str:
        """What is done, for people."""
        return ", ".join(kind.words.format(value) for kind, value in self.parts)

    @property
    def usual(self) -> bool:
        """Whether it is of a size that occurs in practice."""
        return all(value in kind.values for kind, value in self.parts)

    def __call__(self, stack: Stack, seed: int) -> Stack:
        """Return the stack changed; what is drawn at random depends on the seed alone."""
        rng = np.random.default_rng(seed)
        for kind, value in self.parts:
            stack = kind.apply(shown.decoded(stack), value, rng)
        return stack


def chosen(text: str = "") -> list[Change]:
    """Return changes by their kinds or names, after commas: `window,jpeg=75`; all values of all where empty.

    Raises
    ------
    HemoError
        For an unknown kind or an impossible value.
    """
    known = {kind.name: kind for kind in KINDS}
    words = [word.strip() for word in text.split(",") if word.strip()] or list(known)
    found: dict[str, Change] = {}
    for word in words:
        several = known[word].values + known[word].beyond if word in known else ()
        for one in [f"{word}={value}" for value in several] or [word]:
            change = Change.parse(one)
            found[change.name] = change
    return list(found.values())
