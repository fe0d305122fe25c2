from typing import Any

import numpy as np
import pandas as pd

from hemo.display.numbers import ranged
from hemo.evaluation.agreement import agreement
from hemo.evaluation.predictions import study_table
from hemo.evaluation.subgroups import subgroups
from hemo.evaluation.summary import summarize
from hemo.registry import card
from tests.helpers.registry_world import table


def facts(**words):
    known: dict[str, Any] = {
        "label": "any", "family": "Logistic regression", "threshold": 0.5, "run_id": "r1",
        "tags": {"protocol": "cv", "dataset": "made <up>", "seed": "7", "split_digest": "s1"},
        "params": {"hp.C": "1.0", "train.operating_point": "youden"},
        "data": {"slices": 80, "excluded: localizer": 3}, "versions": {"mlflow": "3"},
    }  # fmt: skip
    return card.Facts(**(known | words))


def test_a_card_says_what_a_reader_must_know(tmp_path):
    card.write(tmp_path, facts(), summarize(table(), 100))
    text = (tmp_path / "card.md").read_text()
    for words in (
        "Research use only", "excluded: localizer | 3", "the largest sum of recall", "out-of-fold",
        "hemo reproduce r1", "hp.C", "By study", "Subgroups", "positive slices of", "seed | 7",
    ):  # fmt: skip
        assert words in text


def test_the_page_escapes_what_it_is_told(tmp_path):
    card.write(tmp_path, facts(), summarize(table(), 100))
    assert "made &lt;up&gt;" in (tmp_path / "card.html").read_text()


def test_every_section_of_the_page_is_in_the_text(tmp_path):
    card.write(tmp_path, facts(), summarize(table(), 100))
    text, page = ((tmp_path / name).read_text() for name in ("card.md", "card.html"))
    for section in card.sections(facts(), summarize(table(), 100)):
        assert f"## {section.title}" in text
        assert section.title in page


def test_subgroups_are_parts_of_the_patients():
    found = summarize(table(patients=20), 100).by_extent.set_index("subgroup")
    assert found.loc["slices of patients without it", "patients"] == 10
    few = found[found["metric"] == "recall"]["patients"].sum()
    assert few == 10


def test_a_table_without_positives_still_has_a_card(tmp_path):
    card.write(tmp_path, facts(), summarize(table().assign(truth=np.int8(0)), 100))
    assert "undefined" in (tmp_path / "card.md").read_text()


def test_a_card_of_labels_of_studies_says_nothing_of_slices_and_why(tmp_path):
    tested = summarize(table().iloc[:0], 100, by_study=study_table(table()))
    card.write(tmp_path, facts(threshold=None, study_threshold=0.4), tested)
    text = (tmp_path / "card.md").read_text()
    assert "On 40 studies of 40 patients" in text
    assert "too few slices are labelled" in text
    assert "as a study of its own, at the studies' operating point" in text
    for words in ("By slice", "Subgroups, ", "| nan", "undefined", "positive slices"):
        assert words not in text


def test_a_card_shows_the_classifier_above_each_reader(tmp_path):
    votes = np.tile([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]], (10, 1)).astype(np.int8)
    agreed = agreement(
        {"any": votes}, {"any": ["R1", "R2", "R3"]}, [f"p{number}" for number in range(40)], draws=100
    )
    tested = summarize(table(), 100)
    card.write(tmp_path, facts(agreement=agreed), tested)
    rows = [line for line in (tmp_path / "card.md").read_text().splitlines() if line.startswith("| any | ")]
    own = ranged(*tested.studies["recall"])
    assert rows[0].startswith(f"| any | this classifier (Logistic regression) | {own} | ")
    assert [row.split(" | ")[1] for row in rows[1:4]] == ["reader R1", "reader R2", "reader R3"]
    # The others of R1 are one on three of four kinds of studies: R2 and R3 both say 1, or both 0.
    assert rows[1].split(" | ")[2].startswith("1.00 (")
    assert any("Fleiss' kappa" in row for row in rows)


def test_a_card_says_how_a_fit_was_cut_down_for_want_of_memory_and_nothing_where_it_was_not(tmp_path):
    words = "on 64 principal components of the pixels"
    of_runs = facts(tags={**facts().tags, "abridged": words})
    titles = {section.title: section.text for section in card.sections(of_runs, summarize(table(), 100))}
    assert words in titles["Cut down for want of memory"]
    plain = card.sections(facts(), summarize(table(), 100))
    assert "Cut down for want of memory" not in {section.title for section in plain}


def test_a_card_shows_metrics_by_scanner_and_patient_or_says_that_nothing_is_known(tmp_path):
    tested = summarize(table(patients=40), 100)
    card.write(tmp_path, facts(), tested)
    assert "no header says how it does by scanner" in (tmp_path / "card.md").read_text()
    patients = sorted(set(tested.table["patient"]))
    sexes = pd.DataFrame({"sex": ["female", "male"] * (len(patients) // 2)}, patients)
    card.write(tmp_path, facts(groups=subgroups({"slice": tested.table}, sexes, draws=20)), tested)
    text = (tmp_path / "card.md").read_text()
    assert "| sex | female | 20 |" in text
    assert "No group is told from all others." in text
