"""Which file of published weights goes where, and what lies there."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hemo.errors import HemoError
from hemo.families._architectures import ARCHITECTURES, Published, folder, weights_file


@dataclass(frozen=True)
class WeightsPlace:
    """Where the published weights of a backbone are looked for.

    Attributes
    ----------
    backbone, title
        The word that names it, and its name for people.
    published
        What is published of it; None: nothing is.
    file
        Where its file is looked for; None where nothing is published, or its package is not installed.
    found
        Hexadecimal digits of what lies there, by the algorithm of the published digest; empty: nothing does.
    """

    backbone: str
    title: str
    published: Published | None
    file: Path | None
    found: str

    @property
    def state(self) -> str:
        """`there`, `missing`, `another file`, or `none published`."""
        if self.published is None:
            return "none published"
        if not self.found:
            return "missing"
        return "there" if self.found.startswith(self.published.digits) else "another file"


def weights_places() -> list[WeightsPlace]:
    """Return where the weights of each backbone are looked for, without importing TensorFlow."""
    return [_place(name) for name in ARCHITECTURES]


def _place(name: str) -> WeightsPlace:
    architecture = ARCHITECTURES[name]
    published, file, found = architecture.published, None, ""
    if published is not None:
        try:
            file = weights_file(name)
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, published.algorithm).hexdigest()
        except HemoError:  # it is not there
            file = None if name == "lite0" else folder() / published.name
    return WeightsPlace(name, architecture.title, published, file, found)
