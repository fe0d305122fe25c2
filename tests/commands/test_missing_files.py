"""A file that is not there is said at once: before MLflow is loaded, which takes longer than people wait."""

import pytest
from click.testing import CliRunner

from hemo import cli
from hemo.tracking import reachable

EXPERIMENT = "no.yaml: no such experiment file: give one of experiments/*.yaml"
STORE = "no slice store: make one with `hemo preprocess --images DIR --labels FILE --store"
MISSING = (
    (["main", "--experiment", "no.yaml"], EXPERIMENT),
    (["main", "--images", "no", "--labels", "labels.csv"], "no: no such folder of images"),
    (["main", "--images", "scans", "--labels", "no.csv"], "no.csv: no such label table"),
    (["logreg", "--experiment", "no.yaml"], EXPERIMENT),
    (["logreg", "--store", "no"], f"no: {STORE} no`"),
    (["logreg"], f"data/store: {STORE} data/store`"),
    (["tune", "--store", "no"], f"no: {STORE} no`"),
    (["audit", "--store", "no"], f"no: {STORE} no`"),
    (["ui", "--experiment", "no.yaml"], EXPERIMENT),
    (["slurm", "main", "--experiment", "no.yaml"], EXPERIMENT),
)


@pytest.mark.parametrize(("words", "said"), MISSING, ids=lambda one: " ".join(one)[:30])
def test_a_missing_file_is_said_before_the_tracking_store_is_asked(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reachable, "check", lambda: pytest.fail("the tracking store was asked"))
    (tmp_path / "scans").mkdir()
    (tmp_path / "labels.csv").write_text("image,any\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quickstart.yaml").write_text("name: quickstart\n")
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 2, done.output
    assert said in done.output
