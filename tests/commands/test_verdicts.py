"""What `reproduce` and `tune` print of what was found, and their exit status."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.runs.reproduce import Reproduction


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A folder with a tracking store that nobody asks."""
    (tmp_path / "mlflow.db").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr("hemo.tracking.reachable.check", lambda: None)


@pytest.mark.parametrize(
    ("found", "words", "status"),
    [
        (Reproduction(12, True, 0.0, 0.0, 40 * "c", ""), ["12 slices", "reproduced"], 0),
        (
            Reproduction(12, True, 0.5, 0.0, 40 * "c", "other versions"),
            ["note: other versions", "not reproduced"],
            1,
        ),
        (
            Reproduction(12, False, 0.0, 0.0, 40 * "c", ""),
            ["did not predict the same slices", "not reproduced"],
            1,
        ),
    ],
)
def test_reproduce_says_whether_it_came_out_the_same(found, words, status, monkeypatch):
    monkeypatch.setattr("hemo.runs.reproduce.reproduce", lambda run, store: found)
    done = CliRunner().invoke(main, ["reproduce", "1a"])
    assert done.exit_code == status, done.output
    assert all(word in done.output for word in words)


def test_tune_prints_each_study_and_fails_where_none_could_be_run(tmp_path, monkeypatch):
    values = SimpleNamespace(default=0.7, best=0.8, gain=0.1)
    outcome = SimpleNamespace(
        study="tune/logreg/any",
        trials={"complete": 3, "pruned": 1, "failed": 0},
        values=values,
        tested=SimpleNamespace(default="0.71 (0.6-0.8)", best="0.79 (0.7-0.9)"),
    )
    failed = [("tune/sgd/any", "no positive patient")]
    monkeypatch.setattr("hemo.tuning.search.tune", lambda *words: ([outcome], failed))
    done = CliRunner().invoke(main, ["tune", "--family", "logreg", "--store", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert all(word in done.output for word in ("tune/logreg/any", "0.8000", "+0.1000", "0.79 (0.7-0.9)"))
    monkeypatch.setattr("hemo.tuning.search.tune", lambda *words: ([], failed))
    done = CliRunner().invoke(main, ["tune", "--family", "logreg", "--store", str(tmp_path)])
    assert done.exit_code == 2
    assert "no study could be run; the first fault: tune/sgd/any: no positive patient" in done.output
