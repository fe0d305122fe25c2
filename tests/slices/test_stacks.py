"""Stacks: one series, one orientation, one acquisition; they never interleave, and one of them answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import RLELossless

from hemo.cli import main
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.slices.arrange import once_more
from hemo.slices.assemble import Answering
from hemo.slices.preprocess import preprocess
from hemo.slices.stacks import Geometry, Stack, choose, is_hard, stack_codes
from tests.helpers.folders import write_series
from tests.helpers.stores import named, names

SMALL = Reduction(size=16)
UPRIGHT, TILTED = (0.0, 0.0, 1.0), (0.0, 0.174, 0.985)


def geometry(rows):
    """Return the geometry of slices given as (series, normal, acquisition, position, number, time)."""
    series, normal, acquisition, position, number, time = zip(*rows, strict=True)
    return Geometry(
        np.array(series), np.array(normal, float).reshape(-1, 3), np.array(acquisition),
        np.array(position, float), np.array(number), np.array(time, float),
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.sampled_from([UPRIGHT, TILTED]), st.integers(1, 3), st.integers(2, 6)
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[:3],
    ),
    st.randoms(use_true_random=False),
)
def test_stacks_that_go_over_the_same_body_are_told_apart_in_any_order(stacks, random):
    rows, truth = [], []
    for code, (series, normal, acquisition, count) in enumerate(stacks):
        rows += [(series, normal, acquisition, 5 * k, k + 1, np.nan) for k in range(count)]
        truth += [code] * count
    order = list(range(len(rows)))
    random.shuffle(order)
    codes = stack_codes(geometry([rows[place] for place in order]))
    pairs = {(int(code), truth[place]) for code, place in zip(codes, order, strict=True)}
    assert len(pairs) == len(stacks) == len({code for code, _ in pairs})


@given(st.integers(1, 4), st.integers(1, 9), st.floats(0, 0.008))
def test_rounds_of_step_and_shoot_that_follow_each_other_make_one_stack(each, rounds, jitter):
    rows = [
        (1, (0, jitter * (k % 2), 1.0), k // each + 1, 5 * k, k + 1, 40.0 + k) for k in range(each * rounds)
    ]
    assert len(set(stack_codes(geometry(rows)).tolist())) == 1


def test_passes_over_one_position_are_told_apart_by_their_times_only():
    rows = [(1, UPRIGHT, 0, 5 * (k % 4), k + 1, 100.0 + k) for k in range(12)]
    codes = stack_codes(geometry(rows))
    assert [len(set(codes[k : k + 4].tolist())) for k in (0, 4, 8)] == [1, 1, 1]
    assert len(set(codes.tolist())) == 3
    untimed = [(*row[:5], np.nan) for row in rows]
    assert len(set(stack_codes(geometry(untimed)).tolist())) == 1


def test_slices_without_orientation_are_a_stack_apart_from_those_with_one():
    unknown = (np.nan,) * 3
    rows = [(1, UPRIGHT, 0, 0, 1, np.nan), (1, unknown, 0, 5, 2, np.nan), (1, UPRIGHT, 0, 10, 3, np.nan)]
    assert stack_codes(geometry(rows)).tolist() == [0, 1, 0]


@pytest.fixture
def study(tmp_path):
    """A study of a thick and a thin series and one for bone, in folders of their own."""
    images = tmp_path / "images"
    write_series(images / "S1", "thin", 16, step=1.25, seed=1)
    write_series(images / "S2", "bone", 5, kernel="H60s", seed=2)
    write_series(images / "S3", "thick", 5, seed=3)
    return images


def test_series_of_one_study_follow_each_other_and_are_one_patient(study, tmp_path):
    done = preprocess(study, None, tmp_path / "s", SMALL)
    index = named(done.store)
    assert index["patient"].nunique() == index["study"].nunique() == 1
    assert index["stack"].tolist() == sorted(index["stack"])
    for _, stack in index.groupby("stack"):
        assert len({name.rpartition("/")[2].rstrip("0123456789") for name in stack["slice_id"]}) == 1
        assert stack["position"].is_monotonic_increasing
    assert [sentence for sentence in done.notes if "several stacks" in sentence]


def test_neighbours_never_come_from_another_series(study, tmp_path):
    with_neighbours = preprocess(study, None, tmp_path / "s", Reduction(size=16, neighbours=1)).store
    index, images = with_neighbours.index, with_neighbours.images()
    for stack in index["stack"].unique():
        rows = np.flatnonzero(index["stack"] == stack)
        np.testing.assert_array_equal(images[rows[0], ..., 0], images[rows[0], ..., 1])
        np.testing.assert_array_equal(images[rows[-1], ..., 2], images[rows[-1], ..., 1])


def test_series_of_one_study_in_folders_of_two_names_are_one_patient_without_a_patient_id(tmp_path):
    for seed, folder in enumerate(("A", "B")):
        write_series(tmp_path / "images" / folder, "x", seed=seed, PatientID="")
    index = preprocess(tmp_path / "images", None, tmp_path / "s", SMALL).store.index
    assert (index["patient"].nunique(), index["study"].nunique(), index["stack"].nunique()) == (1, 1, 2)


def test_equal_positions_go_by_instance_number_and_are_said(tmp_path):
    for name, order in (("a", [3, 1, 2, 0]), ("b", [0, 3, 1, 2])):
        for k, number in enumerate(order):
            write_series(
                tmp_path / name, f"f{k}-", 1, seed=10 + k, SeriesInstanceUID="1.2.3.9",
                ImagePositionPatient=["0", "0", "0"], InstanceNumber=number + 1,
            )  # fmt: skip
        done = preprocess(tmp_path / name, None, tmp_path / f"{name}-store", SMALL)
        found = [int(name.split("-")[0][-1]) for name in names(done.store)]
        assert [order[k] for k in found] == [0, 1, 2, 3]
        assert [count for sentence, count in done.notes.items() if "position of another" in sentence] == [4]


def test_a_slice_compressed_otherwise_or_in_a_copy_of_its_series_is_kept_once(tmp_path):
    images = tmp_path / "images"
    write_series(images, "plain", 4)
    for k, path in enumerate(sorted(images.glob("plain*"))):
        dataset = pydicom.dcmread(path)
        if k > 1:
            dataset.SeriesInstanceUID = "1.2.3.99"  # as archives give a copy
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(images / f"rle{k}.dcm")
    done = preprocess(images, None, tmp_path / "s", SMALL)
    assert sorted(names(done.store)) == [f"plain{k}" for k in range(4)]
    assert done.excluded == {"the same slice once more": 4}
    assert done.store.index["stack"].nunique() == 1


def test_an_image_at_several_positions_of_a_study_tells_no_copies():
    """Two series of three slices, of which two show nothing but air."""
    rows = [(7, 10, 1), (7, 15, 2), (8, 20, 3), (7, 10, 1), (7, 15, 2), (9, 20, 3)]
    image, position, number = zip(*rows, strict=True)
    facts = {
        "study": "s",
        "image_first": image,
        "image_second": image,
        "position": position,
        "number": number,
    }
    frame = pd.DataFrame({"slice_id": list("abcdef"), "digest": list("abcdef"), **facts})
    assert once_more(frame).tolist() == []
    assert once_more(frame.assign(image_first=[1, 2, 3] * 2, image_second=0)).tolist() == [3, 4, 5]


def test_the_best_stack_is_kept_and_the_others_are_listed_with_why_not(study, tmp_path):
    done = preprocess(study, None, tmp_path / "s", SMALL, answering=Answering(best=True))
    assert len(done.store) == 5
    assert all("thick" in name for name in names(done.store))
    assert done.excluded == {
        "another stack of its study answers: slices of 1.25 mm, not 5 mm": 16,
        "another stack of its study answers: in a hard kernel": 5,
    }
    thin = preprocess(study, None, tmp_path / "t", SMALL, answering=Answering(best=True, thickness=1.0))
    assert all("thin" in name for name in names(thin.store))


def test_the_command_keeps_all_or_the_best_and_a_store_stays_with_its_word(study, tmp_path):
    words = ["preprocess", "--images", str(study), "--store", str(tmp_path / "s"), "--size", "32"]
    first = CliRunner().invoke(main, [*words, "--series", "best"])
    assert first.exit_code == 0, first.output
    assert "5 slices of 1 patients" in first.output
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2
    assert "made with --series best" in again.stderr


@pytest.mark.parametrize(
    ("others", "best"),
    [
        ([Stack(30, 150, 5, derived=True)], Stack(30, 150, 5)),
        ([Stack(30, 150, 5, axial=False)], Stack(30, 150, 5)),
        ([Stack(30, 150, 5, body="NECK")], Stack(30, 150, 5, body="HEAD")),
        ([Stack(30, 150, 5, "BONEPLUS"), Stack(150, 150, 1, "STANDARD")], Stack(60, 150, 2.5, "STANDARD")),
        ([Stack(4, 20, 5)], Stack(120, 150, 1.25)),
        ([Stack(28, 140, 5)], Stack(30, 150, 5)),
        ([Stack(30, 150, 5, time=300.0)], Stack(30, 150, 5, time=100.0)),
        ([Stack(30, 150, np.nan)], Stack(30, 150, 4)),
    ],
)
def test_one_stack_answers_by_the_rule(others, best):
    for stacks in ([best, *others], [*others, best]):
        chosen, why = choose(stacks)
        assert stacks[chosen] is best
        assert [bool(reason) for reason in why] == [one is not best for one in stacks]


def test_kernels_for_bone_and_lung_are_known_by_their_names():
    assert all(map(is_hard, ("H60s", "B70f", "Hr64", "BONE", "EDGE", "FC30", "FC81", "YB", "Br60d")))
    assert not any(map(is_hard, ("H30s", "J40s\\3", "Hr38", "STANDARD", "STD+", "SOFT", "FC21", "UB", "")))


def test_a_volume_of_which_two_stacks_fit_the_rows_is_refused(study, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["StudyInstanceUID,slice_number,any", *(f"1.2.3,{k},0" for k in range(1, 6))]))
    with pytest.raises(HemoError, match="fit several stacks"):
        preprocess(study, table, tmp_path / "s", SMALL)
    done = preprocess(study, table, tmp_path / "t", SMALL, answering=Answering(best=True))
    assert (done.store.index["any"] == 0).all()


@pytest.mark.parametrize("words", [{"kernel": "BONE DOE"}, {"body": "DOE"}, {"derived": True}])
def test_why_a_stack_does_not_answer_repeats_no_text_of_a_header(words):
    best, why = choose([Stack(30, 145.0, 5.0, "H31s"), replace(Stack(30, 145.0, 5.0, "H31s"), **words)])
    assert best == 0
    assert len(why[1]) > 10
    assert "DOE" not in why[1].upper()
