"""Experiment files: what they may say, and what they are told when they say something else."""

from pathlib import Path

import pytest

from hemo import config
from hemo.errors import HemoError

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


def test_the_experiments_of_the_project_are_found():
    assert {"quickstart", "paper"} <= {file.stem for file in EXPERIMENTS}


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_every_experiment_in_the_project_is_valid(file):
    assert config.load(file).name == file.stem


def test_words_given_override_the_file_and_empty_ones_do_not():
    experiment = config.load("experiments/quickstart.yaml", images="scans", labels="", seed=None)
    assert (experiment.images, experiment.labels, experiment.seed) == ("scans", "", 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("famlies: {}", "unknown word 'famlies': known are name,"),
        ("folds: many", "folds: .*integer.*got 'many'"),
        ("folds: 1", "folds: .*greater than or equal to 2"),
        ("repeats: 0", "repeats: .*greater than or equal to 1"),
        ("{repeats: 2, protocol: holdout}", "yaml: repeats: 2 goes with protocol cv only: under holdout"),
        ("protocol: loo", "protocol: .*'cv', 'holdout' or 'paper'.*got 'loo'"),
        ("families: {forest: {}}", "unknown family 'forest': choose one of"),
        ("families: {forest@big: {}}", "unknown family 'forest@big': choose one of"),
        ("families: {logreg@: {}}", "families.logreg@.*: string should match"),
        ("families: {logreg: {c: 1}}", "family 'logreg' has no parameter c: it has"),
        ("[1, 2]", "a list of `word: value` lines"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_faulty_experiment_file_is_refused_with_the_remedy(tmp_path, text, fault):
    file = tmp_path / "experiment.yaml"
    file.write_text(text)
    with pytest.raises(HemoError, match=fault):
        config.load(file)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"name: caf\xe9", "no UTF-8 at byte 9: save it anew as UTF-8"),
        (b"[" * 20_000, "nests too deeply"),
        (b"name: 2024-13-45", "not valid YAML: month must be in"),
        (b"a: &a [x, x]\n" + b"".join(b"a%d: &a%d [*a, *a]\n" % (n, n) for n in range(9)), "unknown word"),
    ],
)
def test_an_experiment_file_that_is_no_text_or_nests_too_deeply_is_refused(tmp_path, data, fault):
    file = tmp_path / "experiment.yaml"
    file.write_bytes(data)
    with pytest.raises(HemoError, match=fault):
        config.load(file)


def test_a_value_that_unfolds_without_end_is_quoted_in_short(tmp_path):
    lines = ["x0: &x0 [a, a]", *(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}, *x{n - 1}]" for n in range(1, 24))]
    file = tmp_path / "experiment.yaml"
    file.write_text("families: {logreg: 1}\nfolds:\n  " + "\n  ".join(lines))
    with pytest.raises(HemoError) as refused:
        config.load(file)
    assert len(str(refused.value)) < 1000


def test_a_family_can_be_there_several_times_as_variants(tmp_path):
    file = tmp_path / "experiment.yaml"
    file.write_text("families: {logreg: , logreg@saga: {solver: saga}}")
    assert config.load(file).families == {"logreg": {}, "logreg@saga": {"solver": "saga"}}


def test_a_missing_experiment_file_is_named():
    with pytest.raises(HemoError, match="no such experiment file"):
        config.load("nowhere.yaml")


def test_an_unknown_label_is_refused_with_the_known_ones():
    with pytest.raises(HemoError, match="unknown label 'epidurall': choose one of any, epidural"):
        config.label_names("epidurall")


def test_changes_stand_above_the_file_section_by_section(tmp_path):
    file = tmp_path / "experiment.yaml"
    file.write_text("folds: 4\ngate: {level: slice, margin: 0.1}\nfamilies: {logreg: {C: 2.0}}\n")
    changes = {"folds": 3, "gate": {"margin": 0.2}, "families": {"logreg": {"solver": "saga"}, "sgd": {}}}
    changed = config.load(file, changes, seed=5)
    assert (changed.folds, changed.gate.level, changed.gate.margin, changed.seed) == (3, "slice", 0.2, 5)
    assert changed.families == {"logreg": {"C": 2.0, "solver": "saga"}, "sgd": {}}


@pytest.mark.parametrize("amount", ["lots", "1 GB", 4, "-3 GB"])
def test_an_amount_of_memory_that_is_none_is_refused_with_how_to_write_one(amount):
    with pytest.raises(HemoError, match=r"memory: .*(write it as|give) .*GB"):
        config.load(None, {"memory": amount})
    assert config.load(None, {"memory": "2.5GB"}).memory == "2.5GB"
