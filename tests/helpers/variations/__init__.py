"""Files as hospitals and others write them: variations of one head whose HU, sides and places are known."""

from collections.abc import Callable

from tests.helpers.variations.dicom import dicom
from tests.helpers.variations.kinds import Draw, Seeded, Variation
from tests.helpers.variations.nifti import nifti
from tests.helpers.variations.pictures import picture

MAKERS: dict[str, Callable[[Draw], Variation]] = {"dicom": dicom, "nifti": nifti, "picture": picture}
"""What makes a variation, by the kind of file."""

SHARES = ("dicom", "dicom", "dicom", "nifti", "picture")
"""How kinds follow each other."""


def variation(seed: int) -> tuple[str, Variation]:
    """Return the kind and the variation of a seed."""
    kind = SHARES[seed % len(SHARES)]
    return kind, MAKERS[kind](Seeded(seed))
