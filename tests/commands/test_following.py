"""What is proposed to be typed next."""

import pytest

from hemo.commands import following
from hemo.config import Experiment
from hemo.registry import panel


@pytest.mark.parametrize(
    ("words", "of_phantoms", "proposed"),
    [
        ({}, True, ["hemo predict data/mine/phantom --out p.html"]),
        ({"images": "my scans"}, True, []),
        ({"store": "data/store"}, True, []),
        ({"images": "my scans"}, False, ["hemo predict 'my scans' --out p.html"]),
        ({"store": "data/store"}, False, ["hemo predict FILES... --out p.html"]),
    ],
)
def test_scans_of_patients_are_never_proposed_for_a_panel_of_phantoms(
    words, of_phantoms, proposed, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(panel, "production", lambda: {"any": "1"})
    monkeypatch.setattr(panel, "synthetic_members", lambda members: list(members) if of_phantoms else [])
    assert following.predictions(Experiment(name="mine", **words), "p.html") == proposed
