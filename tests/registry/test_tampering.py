"""What was tampered with is named by `hemo verify`, and stopped before it trains, is promoted or answers."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hemo import config, tracking
from hemo.cli import main
from hemo.errors import HemoError
from hemo.registry import aliases, panel, promotion, verify
from hemo.tracking import recorded
from tests.helpers.registry_world import case, decide
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.tampering import (
    KINDS,
    Kind,
    World,
    add_line,
    negate_weights,
    perfect_table,
    version_folder,
)

VARIANTS = 5
DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.fixture
def world(promoted, tmp_path):
    images, patients, labels = bright_blood(6, 4)
    write_store(tmp_path / "tampered", images, patients, labels)
    made = World(promoted, tmp_path / "tampered")
    yield made
    made.put_back()


def named(target: str) -> list[str]:
    return [f"{d.file} {d.found}" for one in verify.verify(target) for d in one.differences]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_tampering_is_named_and_stopped_before_production(kind: Kind, world: World) -> None:
    target = kind.target(world)
    before = aliases.current("hemo-any")
    for variant in range(VARIANTS):
        world.rng, world.whole_way = np.random.default_rng(variant), variant == 0
        kind.do(world)
        assert any(kind.named in line for line in named(target)), named(target)
        with pytest.raises(HemoError):
            kind.door(world)
        assert aliases.current("hemo-any") == before
        assert not (world.store / "was run").exists()
        world.put_back()


def test_what_nobody_touched_is_whole(world):
    for target in ("panel", "all", str(world.store)):
        assert named(target) == []
        assert not any(one.unrecorded for one in verify.verify(target))


def test_everything_is_whole_where_nobody_touched_anything(world):
    checked = verify.verify("all")
    assert not any(one.differences for one in checked)
    assert {one.what.split()[0] for one in checked} >= {"run", "hemo-panel"}


def test_the_command_names_what_differs_with_status_1_and_knows_no_other_words(world):
    whole = CliRunner().invoke(main, ["verify", f"runs:/{world.run}"])
    assert (whole.exit_code, "1 compared: none not as recorded" in whole.output) == (0, True)
    add_line(world, world.model / "classifier_code.py")
    found = CliRunner().invoke(main, ["verify", f"run:/{world.run}"])
    assert found.exit_code == 1
    assert re.search(r"classifier_code\.py\s+│ changed", found.output)
    assert CliRunner().invoke(main, ["verify", "nowhere"]).exit_code == 2


def promote():
    settings = config.load(None, name="made up", draws=100)
    table = promotion.promote(settings, tracking.find_experiment("made up"))
    return table.set_index("label").to_dict("index")


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "models:/x"],
        ["predict", "scan.dcm", "--model", "models:/x"],
        ["predict", "scan.dcm", "--model", "http://127.0.0.1:1/x"],
        ["predict", "scan.dcm", "--model", "runs:/x"],
        ["evaluate", "models:/x", "--images", ".", "--labels", "labels.csv"],
    ],
    ids=" ".join,
)
def test_what_is_no_address_of_a_model_is_refused_in_a_line(words, promoted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scan.dcm").write_bytes(make_dicom(head()))
    Path("labels.csv").write_text("filename,any\nscan.dcm,1\n")
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 2
    assert "no address of a model: write models:/NAME/VERSION" in outcome.output


def test_negated_weights_are_refused_and_stop_no_other_label(store, tmp_path):
    world = World({("any", "better"): store["any", "good"]}, tmp_path)  # the newest: it is the candidate
    try:
        negate_weights(world, world.model / "artifacts" / "classifier" / "fitted")
        decided = promote()
    finally:
        world.put_back()
    assert decided["any"]["decision"] == "refused"
    assert "not what was recorded" in decided["any"]["reason"]
    assert aliases.registered("hemo-any") is None
    assert decided["epidural"]["decision"] == "promoted"


def test_a_prediction_table_made_perfect_is_left_out_and_the_run_before_takes_its_place(
    store, tmp_path, capsys
):
    world = World({("any", "better"): store["any", "good"]}, tmp_path)
    try:
        perfect_table(world)
        decided = promote()
    finally:
        world.put_back()
    assert decided["any"]["run_id"] == store["any", "better"]
    assert "predictions.parquet changed" in " ".join(capsys.readouterr().err.split())


def test_the_gap_is_measured_at_the_gate_and_not_believed(store, tmp_path):
    """Weights and digests were changed together with the database: the run's answers still tell."""
    world = World({("any", "better"): store["any", "good"]}, tmp_path)
    run = store["any", "good"]
    try:
        negate_weights(world, world.model / "artifacts" / "classifier" / "fitted")
        world.keep(world.run_folder / "digests.json")
        kept = recorded.of_run(run)
        assert kept is not None
        tracking.record(run, kept.files, tracking.model_files(world.model))
        decided = promote()
    finally:
        world.put_back()
    assert decided["any"]["decision"] == "refused"
    assert "loaded back, its probabilities differ by" in decided["any"]["reason"]


def test_a_panel_that_was_tampered_with_is_not_used_again_but_built_anew(world):
    decide(case(world.runs, "any", "better"))
    first = aliases.current("hemo-panel")["previous"]
    folder = version_folder("hemo-panel", first)
    negate_weights(world, folder / "artifacts" / "panel" / "any" / "fitted")
    promotion.rollback("any")
    assert aliases.current("hemo-panel")["production"] not in (
        first,
        aliases.current("hemo-panel")["previous"],
    )
    assert panel.load().members[0].version == "1"


def test_the_table_of_the_docs_has_every_kind_with_its_number():
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| ([^|]+) \|$", DOCS.read_text(), re.M)
    tried = {name: int(number) for name, number, _ in rows}
    assert {kind.name: tried.get(kind.name) for kind in KINDS} == {kind.name: VARIANTS for kind in KINDS}
    assert len(KINDS) * VARIANTS >= 100
