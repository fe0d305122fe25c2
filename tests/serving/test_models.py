import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from hemo import imaging
from hemo.evaluation.calibration import Calibrator
from hemo.evaluation.study_score import StudyScore
from hemo.imaging import RawSlice, Reduction
from hemo.labels import LABELS, SUBTYPES
from hemo.registry import names
from hemo.serving import Member, Sent, tabulate
from hemo.serving.inputs import reduced
from hemo.serving.prediction import studies
from tests.helpers.registry_world import REDUCTION


def members(*labels, threshold=0.5):
    unused: Any = None  # the classifier
    return [Member(label, "logreg", "1", threshold, REDUCTION, unused) for label in labels]


def raw(study="", position=0.0, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32), np.uint8)
    return RawSlice(pixels, hu=False, study=study, position=position)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(0.05, 0.95))
def test_any_is_never_below_its_subtypes(values, threshold):
    given_ = {label: np.array([value]) for label, value in zip(LABELS, values, strict=True)}
    row = tabulate(given_, members(*LABELS, threshold=threshold), Sent([""])).iloc[0]
    assert row["any_probability"] == max(values)
    assert row["any_own_probability"] == values[0]
    assert row["any_decision"] == any(value >= threshold for value in values)
    for label in SUBTYPES:
        assert row[f"{label}_probability"] == given_[label][0]


def test_a_study_is_positive_where_any_of_its_slices_is_and_others_stand_alone():
    found = tabulate({"subdural": np.array([0.1, 0.9, 0.2])}, members("subdural"), Sent(["a", "a", ""]))
    assert found["study_subdural_probability"].tolist() == [0.9, 0.9, 0.2]
    assert found["study_subdural_decision"].tolist() == [True, True, False]


def test_without_any_study_there_is_no_summary():
    found = tabulate({"any": np.array([0.3])}, members("any"), Sent([""]))
    assert not [name for name in found if str(name).startswith("study")]


def test_neighbours_are_those_of_the_study_by_position_whatever_the_order():
    reduction = Reduction(size=16, crop=False, neighbours=1)
    slices = [raw("a", 2.0, 2), raw("b", 0.0, 9), raw("a", 1.0, 1), raw("a", 0.0, 0), raw("", 0.0, 5)]
    plain = [imaging.reduce(one, replace(reduction, neighbours=0))[..., 0] for one in slices]
    stacked = reduced(slices, reduction)
    assert stacked.shape == (5, 16, 16, 3)
    expected = {0: (2, 0, 0), 1: (1, 1, 1), 2: (3, 2, 0), 3: (3, 3, 2), 4: (4, 4, 4)}
    for row, around in expected.items():
        for channel, other in enumerate(around):
            assert np.array_equal(stacked[row, ..., channel], plain[other])


@pytest.fixture
def loaded(promoted):
    return mlflow.pyfunc.load_model(names.PANEL_URI)


def test_bytes_paths_and_arrays_of_a_picture_give_the_same_probabilities(loaded, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    (tmp_path / "slice.png").write_bytes(data)
    rows = [
        loaded.predict(pd.DataFrame({"image": pd.Series([image], dtype=object)}))
        for image in (data, str(tmp_path / "slice.png"), pixels)
    ]
    assert rows[0].equals(rows[1])
    assert rows[0].equals(rows[2])
    assert rows[0]["any_version"].tolist() == ["1"]
    assert rows[0]["panel_version"].tolist() == ["2"]


def test_an_answer_says_what_it_is_of_by_whom_and_at_which_point(loaded):
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8))[1].tobytes()
    sent = pd.DataFrame({"image": [image] * 2, "study": "one", "name": ["top.png", "bottom.png"]})
    rows = loaded.predict(sent)
    assert rows["name"].tolist() == ["top.png", "bottom.png"]
    assert rows["research_use_only"].all()
    for member in loaded.unwrap_python_model().members:
        assert set(rows[f"{member.label}_family"]) == {member.family}
        assert set(rows[f"{member.label}_threshold"]) == {member.threshold}
        assert set(rows[f"study_{member.label}_threshold"]) == {member.study_threshold}
    assert set(rows) <= set(loaded.metadata.get_output_schema().input_names())
    assert loaded.predict(sent[["image"]])["name"].tolist() == ["0", "1"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.full((8, 8), np.nan, np.float32), "float32"),
        (np.zeros((8, 8), np.complex64), "complex64"),
        (np.zeros((9000, 8), np.uint8), "shape"),
    ],
)
def test_arrays_that_are_no_slices_are_refused_by_name(loaded, array, words):
    with pytest.raises(MlflowException, match=words) as fault:
        loaded.predict(pd.DataFrame({"image": pd.Series([array], dtype=object)}))
    assert fault.value.get_http_status_code() == 400


def test_wrong_columns_are_refused_by_the_signature(loaded):
    with pytest.raises(MlflowException, match="missing inputs"):
        loaded.predict(pd.DataFrame({"picture": [b"x"]}))


def test_the_panel_is_one_model_with_its_members_and_what_is_missing(loaded):
    served = loaded.unwrap_python_model()
    assert [member.label for member in served.members] == ["any", "epidural"]
    assert served.missing == [label for label in LABELS if label not in ("any", "epidural")]
    output = loaded.metadata.get_output_schema().input_names()
    assert "any_probability" in output
    assert "subdural_probability" not in output


def test_the_panel_carries_no_pickle_and_no_bytecode(loaded):
    version = mlflow.MlflowClient().get_model_version_by_alias(names.PANEL, "production")
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{names.PANEL}/{version.version}"))
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".pyc"}
    facts = json.loads((folder / "artifacts" / "panel" / "panel.json").read_text())
    assert [member["version"] for member in facts["members"]] == ["1", "1"]


def test_a_panel_of_linear_members_loads_without_tensorflow(loaded):
    import subprocess
    import sys

    code = (
        "import mlflow, sys; m = mlflow.pyfunc.load_model(sys.argv[1]); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    folder = mlflow.artifacts.download_artifacts(names.PANEL_URI)
    subprocess.run([sys.executable, "-c", code, folder], check=True, cwd="/")


def test_studies_have_a_row_each_with_the_panel_s_answer():
    given_ = {"any": np.array([0.9, 0.1, 0.2, 0.3]), "subdural": np.array([0.1, 0.8, 0.1, 0.1])}
    both = members("any", "subdural")
    found = studies(tabulate(given_, both, Sent(["a", "a", "b", ""])), both).set_index("study")
    assert found["seen"].to_dict() == {"a": 2, "b": 1}
    assert found.loc["a", "subdural_probability"] == 0.8
    assert found["any_decision"].tolist() == [True, False]
    assert studies(tabulate(given_, both, Sent([""] * 4)), both).empty


def test_where_any_says_nothing_it_is_positive_only_where_a_subtype_is():
    given_ = {"any": np.full(2, np.nan), "subdural": np.array([0.9, 0.1])}
    found = tabulate(given_, members("any", "subdural"), Sent(["", ""]))
    assert found["any_decision"].tolist() == [True, None]
    assert found["any_probability"].fillna(-1).tolist() == [0.9, -1]
    assert found["unanswered"].str.startswith("any: judged only with the slices around").all()
    assert found["slice_only"].all()


def test_a_study_counts_what_was_sent_and_names_at_most_five_slices_highest_first():
    probability = np.array([0.6, 0.9, 0.7, 0.2, 0.8, 0.55, 0.95, 0.99])
    sent = Sent(
        ["a"] * 7 + ["b"], why_not=[""] * 6 + ["another stack", ""], names=list("stuvwxyz"), excluded={"a": 2}
    )
    row = tabulate({"any": probability}, members("any"), sent).iloc[0]
    assert row["study_any_slices"] == "t; w; u; s; x"  # not that of the other stack
    assert (row["study_seen"], row["study_of"], row["study_excluded"]) == (6, 9, 2)


def test_a_study_of_one_slice_is_judged_as_a_slice():
    (one,) = members("any")
    judged = replace(one, threshold=0.3, study=(StudyScore("max", Calibrator("sigmoid")), 0.9))
    found = tabulate({"any": np.array([0.5, 0.5, 0.5])}, [judged], Sent(["a", "b", "b"]))
    assert found["slice_only"].tolist() == [True, False, False]
    assert found["study_any_decision"].tolist() == [True, False, False]


def test_a_member_that_judges_studies_answers_by_its_attention_which_is_shown():
    (own,) = members("any")
    own = replace(own, study=(StudyScore("attention", Calibrator("sigmoid")), 0.6))
    p, attention = np.array([0.9, 0.2, 0.7]), np.array([0.75, 0.25, np.nan])
    found = tabulate({"any": p}, [own], Sent(["a", "a", ""]), {"any": attention})
    odds = np.log(p / (1 - p))
    of_a = 1 / (1 + np.exp(-(0.75 * odds[0] + 0.25 * odds[1])))
    np.testing.assert_allclose(found["study_any_probability"], [of_a, of_a, 0.7])
    assert found["study_any_decision"].tolist() == [True, True, True]  # a slice alone is judged as a slice
    np.testing.assert_array_equal(found["any_attention"], attention)
