import json

import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hemo.display import style
from hemo.tuning import plots, study_page
from hemo.tuning.results import Refits
from hemo.tuning.study_data import StudyData, height, shares, ticks
from hemo.tuning.trial import DEFAULT, RESULT, SETTINGS

C = FloatDistribution(1e-4, 1e2, log=True)
SCALE = CategoricalDistribution(("standardise", "unit"))
COMPONENTS = IntDistribution(8, 256, log=True)


def trial_of(value, c, components=None, epochs=0, **words):
    params = {"C": c, "scale": "unit"} | ({"components": components} if components else {})
    kinds = {"C": C, "scale": SCALE, "components": COMPONENTS}
    result = {
        "params": params, "figures": {}, "folds": {str(n): value for n in range(4)},
        "epochs": [{"val_auc": value}] * epochs, "same_as": None, "reason": "",
    }  # fmt: skip
    return create_trial(
        params=params,
        distributions={name: kinds[name] for name in params},
        user_attrs={RESULT: json.dumps(result), **words},
        **({"values": value} if isinstance(value, list) else {"value": value}),
    )


@pytest.fixture
def study():
    """A study in which a small C is good, and half of the trials have components."""
    study = optuna.create_study(study_name="tune/logreg/any", direction="maximize")
    study.add_trial(trial_of(0.6, 1.0, **{SETTINGS: DEFAULT}))
    for n in range(20):
        study.add_trial(trial_of(0.8 - 0.01 * n, 10 ** (-3 + n / 5), 20 + n if n % 2 else None))
    study.add_trial(create_trial(state=TrialState.PRUNED))
    return study


def words_of(figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in (*axes.texts, axes._left_title)]
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return "\n".join(texts + [text.get_text() for legend in legends for text in legend.get_texts()])


def test_every_figure_names_the_study_and_shows_defaults_and_best(study):
    figures = plots.draw(study, ["auc"])
    assert set(figures) == {"history", "importances", "parameters", "parallel_coordinates", "folds"}
    for name, figure in figures.items():
        assert "tune/logreg/any" in words_of(figure)
        assert style.png(figure).startswith(b"\x89PNG"), name
    assert "AUC, out-of-fold: 0.600 by the defaults, 0.800 by trial 1" in words_of(figures["history"])
    assert "pruned: 1" in words_of(figures["history"])


def test_a_study_of_one_trial_has_a_history(study):
    one = optuna.create_study(direction="maximize")
    one.add_trial(trial_of(0.6, 1.0, epochs=3, **{SETTINGS: DEFAULT}))
    assert set(plots.draw(one, ["auc"])) == {"history", "folds", "epochs"}


def test_several_objectives_have_a_front():
    study = optuna.create_study(directions=["maximize", "maximize"])
    for recall, specificity in ((0.9, 0.2), (0.5, 0.8), (0.4, 0.3)):
        study.add_trial(trial_of([recall, specificity], recall))
    figure = plots.draw(study, ["recall", "specificity"])["pareto_front"]
    assert "2 of 3 trials" in words_of(figure)


@pytest.mark.filterwarnings("error")
def test_what_makes_trials_good_matters_whether_more_or_less_is_better(study):
    upside_down = optuna.create_study(direction="minimize")
    upside_down.add_trials([trial_of(-t.value, t.params["C"]) for t in study.trials if t.value is not None])
    for one in (study, upside_down):
        found = shares(one)
        assert max(found, key=lambda name: found[name]) == "C"


def test_a_parameter_has_its_place_on_an_axis():
    assert height(C, 1e-1) == pytest.approx(0.5)
    assert [height(SCALE, word) for word in ("standardise", "unit")] == [0, 1]
    assert ticks(COMPONENTS) == [(0.0, "8"), (1.0, "256")]


def test_parameters_that_all_trials_have_come_first(study):
    assert list(StudyData.of(study, ["auc"]).distributions) == ["C", "scale", "components"]


def test_the_page_holds_its_figures_and_says_what_was_gained(study):
    picture = style.png(Figure())
    page = study_page.as_html(study, ["auc"], Refits("0.61 (0.5 to 0.7)", "<none>"), {"history": picture})
    assert "http" not in page.replace("http-equiv", "")
    assert "data:image/png;base64," in page
    assert "+0.2000" in page
    assert "0.61 <span>(0.5 to 0.7)</span>" in page
    assert "&lt;none&gt;" in page
