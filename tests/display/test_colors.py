"""The colors of families: each has its own, told apart with any kind of color vision."""

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from hemo import families
from hemo.display import heatmaps
from hemo.display.colors import APART, FAMILIES, family_color, oklab
from hemo.tracking import views

DICHROMATS: dict[str, Any] = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
"""What is seen of linear RGB (G. Machado et al., "A physiologically-based model for simulation of color
vision deficiency", 2009, severity 1)."""

LEAST = {"none": 0.12, "protanopia": 0.09, "deuteranopia": 0.07, "tritanopia": 0.08}
"""The nearest colors of Okabe and Ito's palette are this far apart in OKLab, rounded down."""


def seen(color: str, matrix: Any) -> str:
    """Return a color as it is seen with a kind of color vision."""
    value = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = (np.asarray(matrix) @ linear).clip(0, 1)
    value = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * one):02X}" for one in value)


def distance(one: str, other: str) -> float:
    return float(np.linalg.norm(np.subtract(oklab(one), oklab(other))))


def test_every_family_of_hemo_has_a_color_that_was_chosen() -> None:
    assert set(FAMILIES) == set(families.built_in())


@pytest.mark.parametrize("vision", DICHROMATS)
def test_no_two_families_look_alike_with_any_color_vision(vision: str) -> None:
    colors = [seen(family_color(name), DICHROMATS[vision]) for name in families.built_in()]
    assert min(distance(*pair) for pair in itertools.combinations(colors, 2)) >= LEAST[vision]


@given(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name not in FAMILIES))
def test_another_family_keeps_apart_from_hemos_own(name: str) -> None:
    assert min(distance(family_color(name), taken) for taken in FAMILIES.values()) >= APART


def test_other_families_have_colors_of_their_own() -> None:
    assert len({family_color(f"family_{number}") for number in range(200)}) == 200


def test_a_family_has_one_color_in_plots_in_mlflow_and_in_its_variants() -> None:
    words = ["transfer", "cnn", "cnn@tuned", "cnn@wide", "forest"]
    runs = pd.DataFrame({"family": [word.title() for word in words], "word": words, "label": "any"})
    runs = runs.assign(recall=0.5, recall_low=0.4, recall_high=0.6)
    bars = [
        bar for bar in heatmaps.recall_by_family(runs, "Some").axes[0].containers if hasattr(bar, "patches")
    ]
    drawn = [to_hex(bar.patches[0].get_facecolor()).upper() for bar in bars]
    assert drawn == [views.color(word) for word in words]
    assert drawn[1] == drawn[2] == drawn[3] == FAMILIES["cnn"]
    hatches = [bar.patches[0].get_hatch() for bar in bars]
    assert hatches[0] is hatches[1] is hatches[4] is None
    assert len(set(hatches[1:4])) == 3


def test_a_color_is_known_without_matplotlib_and_mlflow() -> None:
    code = "import sys; from hemo.display.colors import family_color; family_color('forest'); "
    code += "print([name for name in ('matplotlib', 'mlflow', 'numpy') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
