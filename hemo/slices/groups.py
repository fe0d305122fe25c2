"""Groups of slices by scanner, settings and patient: what headers say, so that it names nobody.

Texts of a header may hold anything, so none is kept: manufacturers and products that are known by name are
called by it, other products by a pseudonym, ages by bands. A group of fewer than `FEWEST` patients is merged
with what is not known.
"""

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from hemo.imaging.raw import Origin
from hemo.slices.pseudonyms import pseudonym
from hemo.slices.stacks import is_hard

if TYPE_CHECKING:  # workers that read scans need no pandas
    import pandas as pd

GROUPS: Final = ("manufacturer", "model", "kernel", "slice_thickness", "tube_voltage", "age", "sex")
"""Columns of a store's index, where headers say something of them."""

FEWEST: Final = 5
"""Patients of a group (k-anonymity, Sweeney, International Journal of Uncertainty, Fuzziness and
Knowledge-Based Systems 10:557, 2002): column by column, since columns are never shown together."""

OTHER: Final = ""
"""Called so: what is not known, and groups that are too small."""

_MANUFACTURERS: Final = {
    "GE": r"GE\b|GENERAL ELECTRIC",
    "Siemens": r"SIEMENS",
    "Philips": r"PHILIPS|MARCONI|PICKER",
    "Canon": r"CANON|TOSHIBA",
    "Hitachi": r"HITACHI|FUJIFILM",
    "Neusoft": r"NEUSOFT|NMS\b",
    "United Imaging": r"UNITED ?IMAGING|UIH\b|SHANGHAI UNITED",
    "Samsung NeuroLogica": r"NEUROLOGICA|SAMSUNG",
    "Shimadzu": r"SHIMADZU",
    "Mediso": r"MEDISO",
    "synthetic": r"SYNTHETIC",
}
"""By what Manufacturer begins with; scanners of bought companies go by the buyer's name."""

_PRODUCTS: Final = (
    "LightSpeed", "BrightSpeed", "HiSpeed", "ProSpeed", "Discovery", "Revolution", "Optima", "SOMATOM",
    "Sensation", "Emotion", "Definition", "Perspective", "NAEOTOM", "Biograph", "Brilliance", "Ingenuity",
    "IQon", "Incisive", "Spectral", "Gemini", "Mx8000", "Aquilion", "Asteion", "Activion", "Xpress",
    "Scenaria", "Supria", "Eclos", "Presto", "NeuViz", "uCT", "CereTom", "BodyTom", "OmniTom", "SCT",
)  # fmt: skip
"""Names of head-CT scanners in ManufacturerModelName: the series, whatever numbers stand behind it."""

_VOLTAGES: Final = (70, 80, 90, 100, 110, 120, 130, 135, 140, 150)
"""kV that tubes are set to; others were typed."""

_THICKNESSES: Final = ((2.0, "under 2 mm"), (4.0, "2 to under 4 mm"), (math.inf, "4 mm and more"))
_AGES: Final = (
    (18.0, "under 18"), (40.0, "18 to 39"), (65.0, "40 to 64"), (80.0, "65 to 79"), (math.inf, "80 and more"),
)  # fmt: skip
"""Upper ends of bands, and what they are called."""

_SEXES: Final = {"F": "female", "M": "male", "O": "other"}


@lru_cache(maxsize=1024)  # a series' slices come one after another
def groups_of(key: bytes, origin: Origin | None, kernel: str, thickness: float) -> str | None:
    r"""Return the groups of a slice in the order of `GROUPS`, a line each; None where it has no header.

    Parameters
    ----------
    key
        Of the pseudonyms.
    origin, kernel, thickness
        What the header says; thickness in millimetres.

    Examples
    --------
    >>> origin = Origin("GE MEDICAL SYSTEMS", "LightSpeed VCT", 120.0, 71.0, "F")
    >>> groups_of(b"secret", origin, "BONEPLUS", 5.0).split("\n")
    ['GE', 'LightSpeed', 'hard', '4 mm and more', '120 kV', '65 to 79', 'female']
    """
    if origin is None:
        return None
    maker = origin.manufacturer.strip()
    found = next(
        (name for name, known in _MANUFACTURERS.items() if re.match(known, maker, re.IGNORECASE)), OTHER
    )
    voltage = f"{origin.voltage:g} kV" if origin.voltage in _VOLTAGES else OTHER
    hardness = ("hard" if is_hard(kernel) else "soft") if kernel.strip() else OTHER
    groups = (
        found, _model(key, origin.model.strip()), hardness, _band(thickness, _THICKNESSES), voltage,
        _band(origin.age, _AGES), _SEXES.get(origin.sex, OTHER),
    )  # fmt: skip
    return "\n".join(groups)


def _model(key: bytes, text: str) -> str:
    """Return the product's name where it is known, else a pseudonym of the text."""
    if not text:
        return OTHER
    known = next((name for name in _PRODUCTS if re.search(rf"\b{name}", text, re.IGNORECASE)), OTHER)
    return known or f"model {pseudonym(key, 'model', text.casefold())[:6]}"


def _band(value: float, bands: tuple[tuple[float, str], ...]) -> str:
    return next((name for end, name in bands if 0 <= value < end), OTHER)


def columns_of(lines: "pd.Series", patients: "pd.Series") -> "dict[str, pd.Series]":
    """Return a column for each of `GROUPS` of which something is known, as categories.

    Parameters
    ----------
    lines
        What `groups_of` said of each slice, (n,).
    patients
        Whose slice it is, (n,).
    """
    import pandas as pd

    codes, said = pd.factorize(lines)
    parts = [text.split("\n") for text in said]
    columns = {}
    for place, name in enumerate(GROUPS):
        values = np.array([part[place] for part in parts] + [OTHER], object)  # the last is code -1's
        column = pd.Series(pd.Categorical(values[codes]), index=lines.index)
        column = _merged(column, patients)
        if (column != OTHER).any():
            columns[name] = column
    return columns


def of_patients(index: "pd.DataFrame") -> "pd.DataFrame | None":
    """Return the groups of each patient, a row a patient and a column an attribute; None where none is known.

    A patient of several is in that of most of their slices. `index`: a store's.
    """
    import pandas as pd

    columns = {}
    for name in [name for name in GROUPS if name in index]:
        counts = index.groupby(["patient", name], observed=True).size().sort_values(kind="stable")
        most = counts.reset_index().drop_duplicates("patient", keep="last")
        columns[name] = most.set_index("patient")[name].astype(object)
    return pd.DataFrame(columns).sort_index() if columns else None


def _merged(column: "pd.Series", patients: "pd.Series") -> "pd.Series":
    """Merge groups of too few patients with what is not known, until that is of enough, or all is."""
    counts = patients.groupby(column, observed=True).nunique()
    others = set(counts.index[counts < FEWEST]) | {OTHER}
    for name in counts.sort_values(kind="stable").index:
        merged = patients[column.isin(others)].nunique()
        if not 0 < merged < FEWEST:
            break
        others.add(name)
    return column.astype(object).where(~column.isin(others), OTHER).astype("category")
