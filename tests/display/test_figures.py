import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from hemo import families
from hemo.display import failures, heatmaps, numbers, run_plots, style
from hemo.errors import HemoError
from hemo.evaluation.predictions import worst_errors
from hemo.evaluation.summary import summarize

OF_A_RUN = [
    run_plots.roc,
    run_plots.precision_recall,
    run_plots.confusion_matrix,
    run_plots.reliability,
    run_plots.patient_strip,
]


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


@pytest.fixture
def leaderboard():
    runs = pd.DataFrame(
        [(family, label) for family in ("logreg", "cnn") for label in ("any", "subdural")],
        columns=["family", "label"],
    )
    return runs.assign(
        recall=[0.5, np.nan, 0.7, 0.9],
        recall_low=[0.4, np.nan, 0.6, 0.7],
        recall_high=[0.6, np.nan, 0.8, 1.0],
        specificity=[0.9, 0.8, 0.3, 0.9],
    )


@pytest.mark.parametrize("draw", OF_A_RUN)
def test_a_figure_of_a_run_states_its_data(simulate, draw):
    figure = draw(summarize(simulate(0, patients=30, positive=10), 100), "cnn / epidural")
    assert "cnn / epidural" in texts(figure)
    assert "30 patients (10 positive)" in texts(figure)
    width, height = imread(io.BytesIO(style.png(figure))).shape[1::-1]
    assert 600 < width <= 1300
    assert height > 400


@pytest.mark.parametrize("draw", OF_A_RUN)
def test_no_word_of_a_figure_runs_over_its_edge(simulate, draw):
    table = simulate(0, patients=30, positive=10)
    table["threshold"] = 0.1 + 0.01 * (np.arange(len(table)) % 3)
    name = max(map(families.title, families.names()), key=len) + ": intraparenchymal, another hospital"
    figure = draw(summarize(table, 100), name)
    style.png(figure)  # lays it out
    words = [one for one in figure.findobj(matplotlib.text.Text) if " " in one.get_text().strip()]
    over = [one.get_text() for one in words if one.get_window_extent().x1 > figure.bbox.x1]
    assert over == []


@pytest.mark.parametrize("draw", OF_A_RUN)
@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[table["truth"] == 0],
        lambda table: table[table["truth"] == 1],
        lambda table: table.head(1),
        lambda table: table.assign(probability=1.0),
    ],
    ids=["negatives", "positives", "one slice", "equal"],
)
@pytest.mark.filterwarnings("error")
def test_a_figure_of_poor_data_is_drawn_without_complaint(simulate, draw, change):
    assert style.png(draw(summarize(change(simulate(1, patients=12, positive=4)), 100), "cnn / any"))


def test_the_callers_settings_do_not_show(simulate):
    tested = summarize(simulate(2, patients=12, positive=4), 100)
    expected = style.png(run_plots.patient_strip(tested, "cnn / any"))
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        assert style.png(run_plots.patient_strip(tested, "cnn / any")) == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_a_strip_of_many_patients_says_how_many_it_shows(simulate):
    figure = run_plots.patient_strip(summarize(simulate(3, patients=200, positive=90, slices=3)), "cnn / any")
    assert f"{run_plots.MOST_PATIENTS} patients shown" in texts(figure)


def test_learning_curves_mark_the_lowest_validation_loss_of_the_kept_classifier():
    kept = pd.DataFrame({"epoch": [0, 1, 2], "loss": [3.0, 2, 1], "val_loss": [3.0, 1, 2], "accuracy": 0.5})
    folds = [kept.assign(fold=fold, val_loss=[1.0, 2, 3]) for fold in range(3)]
    figure = run_plots.learning_curves(
        pd.concat([kept.assign(fold=-1), *folds], ignore_index=True), "ann / any"
    )
    found = texts(figure)
    assert "lowest validation loss: 2" in found
    assert "lowest validation loss: 1" not in found
    assert "3 epochs; faint: 3 other trainings" in found
    shown = [axes.get_ylabel() for axes in figure.axes if axes.get_visible()]
    assert shown == ["loss", "accuracy"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "epochs",
    [
        pd.DataFrame(),
        pd.DataFrame({"epoch": [0], "loss": [1.0], "val_loss": [np.nan]}),
        pd.DataFrame({"fold": [0, 1], "epoch": [0, 0], "loss": [1.0, 2.0]}),
    ],
)
def test_learning_curves_of_next_to_nothing_are_drawn(epochs):
    assert style.png(run_plots.learning_curves(epochs, "ann / any"))


@pytest.mark.parametrize("draw", [heatmaps.recall_heatmap, heatmaps.recall_by_family])
def test_an_overview_names_families_and_labels(leaderboard, draw):
    found = texts(draw(leaderboard, "Quickstart"))
    for word in ("Quickstart", "logreg", "cnn", "any", "subdural"):
        assert word in found
    assert style.png(draw(leaderboard[:0], "Nothing"))


def test_a_recall_bought_with_specificity_is_marked(leaderboard):
    found = texts(heatmaps.recall_heatmap(leaderboard, "Quickstart"))
    assert found.count("▼ specificity 0.30") == 1
    assert "▼ specificity 0.90" not in found


def test_the_heat_map_frames_the_highest_recall_of_each_label_and_all_that_equal_it(leaderboard):
    tied = leaderboard.assign(recall=0.8)

    def frames(rows):
        patches = heatmaps.recall_heatmap(rows, "Quickstart").axes[0].patches
        return [one.get_xy() for one in patches if isinstance(one, Rectangle) and not one.get_fill()]

    assert len(frames(tied)) == len(tied)
    one = tied.index[(tied["label"] == "any") & (tied["family"] == "cnn")][0]
    tied.loc[one, "recall"] = 0.9
    column = [xy for xy in frames(tied) if xy[0] < 1]
    row = list(dict.fromkeys(tied["family"])).index("cnn")
    assert [round(y - 0.02) for _, y in column] == [row]


def test_the_worst_errors_come_first_and_each_patient_once_before_twice(simulate):
    table = simulate(4)
    missed, alarms = worst_errors(table, 8)
    for rows, truth, sign in ((missed, 1, -1), (alarms, 0, 1)):
        chosen = table.iloc[rows]
        assert len(chosen) == 8
        margin = sign * (chosen["probability"] - chosen["threshold"])
        assert (chosen["truth"] == truth).all()
        assert (margin >= 0).all()
        patients = chosen["patient"].nunique()
        assert chosen["patient"][:patients].is_unique
        assert margin[:patients].is_monotonic_decreasing
    assert table.iloc[missed]["patient"].nunique() < 8, "some patient is there twice"


def test_a_gallery_shows_slices_and_figures_but_no_patients(simulate):
    table = simulate(5)
    rows = np.concatenate(worst_errors(table, 3))
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (len(rows), 16, 16, 2)).astype(np.uint8)
    looked = random.normal(size=(len(rows), 16, 16)).astype(np.float32)
    figure = failures.failure_gallery(table.iloc[rows], images, looked, "cnn / any")
    found = texts(figure)
    assert table["slice_id"][rows[0]] in found
    assert not any(patient in found.split() for patient in table["patient"])
    assert style.png(figure)
    with pytest.raises(HemoError, match="one of each"):
        failures.failure_gallery(table.iloc[rows], images[:-1], looked, "cnn / any")


def test_a_gallery_without_errors_says_so(simulate):
    nothing = simulate(6)[:0]
    empty = np.empty((0, 8, 8, 1), np.uint8)
    figure = failures.failure_gallery(nothing, empty, empty[..., 0].astype(np.float32), "cnn / any")
    assert "no errors" in texts(figure)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ((0.84, 0.74, 0.91), "0.84 (0.74 to 0.91)"),
        ((-0.5, -1.0, 0.25), "−0.50 (−1.00 to 0.25)"),
        ((0.5, np.nan, np.nan), "0.50"),
        ((np.nan, np.nan, np.nan), "–"),
    ],
)
def test_metrics_read_well(metric, text):
    assert numbers.ranged(*metric) == text
