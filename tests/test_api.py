"""What `import hemo` offers in a notebook."""

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import hemo
from hemo import api
from hemo.errors import HemoError
from hemo.slices.store import SliceStore
from hemo.training import Trained
from tests.helpers.stores import bright_blood, write_store

SETTINGS = {"folds": 3, "draws": 200}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SliceStore:
    images, patients, labels = bright_blood(patients=30, slices=8)
    return write_store(tmp_path_factory.mktemp("store") / "store", images, patients, labels)


@pytest.fixture(scope="module")
def trained(store: SliceStore) -> dict[str, Trained]:
    """Two trainings, the worse one named first: it gives every slice the same probability."""
    good = hemo.train(store, "logreg", "any", api.Experiment(**SETTINGS), C=0.01)
    table = good.predictions.assign(probability=0.5)
    return {"blind": dataclasses.replace(good, predictions=table), "good": good}


def test_importing_hemo_imports_none_of_its_parts() -> None:
    code = "import sys, hemo; print(set(sys.modules))"
    found = ast.literal_eval(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert {name for name in found if name.startswith("hemo.")} == {"hemo.version"}
    assert not {"numpy", "pandas", "mlflow"} & found


def test_what_a_notebook_uses_imports_neither_mlflow_nor_tensorflow() -> None:
    code = "import sys, hemo; hemo.train; print({'mlflow', 'tensorflow', 'optuna'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_every_name_that_hemo_lists_is_that_of_its_api() -> None:
    assert set(hemo.__all__) == {*api.__all__, "__version__"}
    assert all(getattr(hemo, name) is getattr(api, name) for name in api.__all__)
    assert set(hemo.__all__) <= set(dir(hemo))


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = hemo.trian


def test_a_store_is_opened_by_its_folder(store: SliceStore) -> None:
    assert hemo.open_store(store.folder).digest == store.digest


def test_a_notebook_shows_what_a_thing_holds(store: SliceStore, trained: dict[str, Trained]) -> None:
    assert repr(store) == f"<slice store {store.folder}: 240 slices of 30 patients>"
    shown = repr(trained["good"])
    assert shown.startswith("<logreg: threshold 0.")
    assert shown.endswith("predictions of 240 slices of 30 patients>")


def test_a_notebook_shows_a_wrong_word_in_one_line(store: SliceStore) -> None:
    with pytest.raises(HemoError) as raised:
        hemo.train(store, "lgreg", "any")
    (line,) = raised.value._render_traceback_()  # IPython's word
    assert line.startswith("HemoError: unknown family 'lgreg': choose one of ann, ")
    assert "\n" not in line


def test_trainings_are_compared_with_the_best_first_and_with_bounds(trained: dict[str, Trained]) -> None:
    board = hemo.compare(trained, draws=200)
    assert list(board.index) == ["good", "blind"]
    assert board.loc["blind", "auc"] == 0.5
    for metric in api.COLUMNS:
        bounds = board.loc["good", [f"{metric}_low", metric, f"{metric}_high"]]
        assert bounds.round(9).is_monotonic_increasing


def test_trainings_on_other_patients_are_refused(store: SliceStore, trained: dict[str, Trained]) -> None:
    other = hemo.train(store, "logreg", "any", api.Experiment(protocol="holdout", **SETTINGS))
    with pytest.raises(HemoError, match="slices are in one run only"):
        hemo.compare({**trained, "other": other})


@pytest.mark.parametrize("figure", ["roc", "precision_recall", "confusion_matrix", "calibration", "patients"])
def test_a_figure_names_what_it_is_of(trained: dict[str, Trained], figure: str) -> None:
    drawn = hemo.plot(trained["good"], figure, "good / any")
    assert any("good / any" in axes.get_title(loc="left") for axes in drawn.axes)


def test_words_that_do_not_exist_are_refused(store: SliceStore, trained: dict[str, Trained]) -> None:
    with pytest.raises(HemoError, match="unknown figure 'rocc': choose one of roc"):
        hemo.plot(trained["good"], "rocc")
    with pytest.raises(HemoError, match="unknown label 'anny'"):
        hemo.train(store, "logreg", "anny")
    with pytest.raises(HemoError, match="nothing to compare: give trainings by name"):
        hemo.compare({})
    with pytest.raises(HemoError, match="no parameter D"):
        hemo.train(store, "logreg", "any", D=1)


def test_a_phantom_is_not_written_over(tmp_path: Path) -> None:
    table = hemo.make_phantom(tmp_path / "phantom", patients=1, slices=4, size=64)
    assert table.read_text().startswith("ID,Label")
    with pytest.raises(HemoError, match="holds a phantom already"):
        hemo.make_phantom(tmp_path / "phantom")
