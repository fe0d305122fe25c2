"""Ways to tamper with what hemo wrote, each done in a place that a seed chooses, and undone afterwards."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from hemo import digests, tracking
from hemo.labels import LABELS
from hemo.registry import aliases, ledger, names, panel, trusted
from hemo.slices.store import SliceStore
from tests.helpers.registry_world import Runs, case, decide


@dataclass
class World:
    """A registry with `any` in production, a candidate, and a store; what is changed can be put back."""

    runs: Runs
    store: Path
    whole_way: bool = True
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    _kept: dict[Path, bytes | None] = field(default_factory=dict)

    @property
    def run(self) -> str:
        """The candidate's run."""
        return self.runs["any", "better"]

    @property
    def run_folder(self) -> Path:
        return local(tracking.client().get_run(self.run).info.artifact_uri)

    @property
    def model(self) -> Path:
        """The candidate's model."""
        uri = tracking.get_run(self.run).model_uri
        return local(tracking.client().get_logged_model(uri.removeprefix("models:/")).artifact_location)

    @property
    def panel(self) -> Path:
        """The panel in production."""
        return version_folder(names.PANEL, aliases.current(names.PANEL)["production"])

    @property
    def served(self) -> Path:
        """The classifier of `any` in the panel."""
        return self.panel / "artifacts" / "panel" / "any"

    def keep(self, path: Path) -> Path:
        """Remember a file as it is, and return it."""
        self._kept.setdefault(path, path.read_bytes() if path.is_file() else None)
        return path

    def put_back(self) -> None:
        """Undo what was done to remembered files."""
        for path, content in self._kept.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        self._kept.clear()

    def one_of(self, paths: list[Path]) -> Path:
        return paths[int(self.rng.integers(len(paths)))]


def version_folder(model: str, number: str) -> Path:
    return local(tracking.client().get_model_version_download_uri(model, number))


def local(uri: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(uri))


@dataclass(frozen=True)
class Kind:
    """How something is tampered with, what `hemo verify` is asked, what it must name, and who must refuse."""

    name: str
    do: Callable[[World], object]
    target: Callable[[World], str]
    named: str
    door: Callable[[World], object]


def of_store(world: World) -> str:
    return str(world.store)


def of_run(world: World) -> str:
    return f"runs:/{world.run}"


def of_panel(_: World) -> str:
    return "panel"


def of_version(_: World) -> str:
    return "models:/hemo-any@production"


def train(world: World) -> object:
    return SliceStore.open_checked(world.store)


def register(world: World) -> None:
    """Let the candidate come to where it would be registered: once the whole way, then to the check alone."""
    if world.whole_way:
        decide(case(world.runs, "any", "better"))
    trusted.check_run(tracking.get_run(world.run))


def predict(_: World) -> object:
    return panel.load()


def load_version(_: World) -> object:
    return trusted.load("models:/hemo-any@production")


def flip_pixels(world: World) -> None:
    path = world.keep(world.store / "shards" / "00000.npy")
    content = bytearray(path.read_bytes())
    content[128 + int(world.rng.integers(len(content) - 128))] ^= 1 << int(world.rng.integers(8))
    path.write_bytes(content)


def shorten_shard(world: World) -> None:
    path = world.keep(world.store / "shards" / "00000.npy")
    path.write_bytes(path.read_bytes()[: -1 - int(world.rng.integers(500))])


def change_index(world: World, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = world.keep(world.store / "index.parquet")
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def invert_labels(world: World) -> None:
    label = LABELS[int(world.rng.integers(len(LABELS)))]
    change_index(world, lambda index: index.assign(**{label: (1 - index[label]).astype(np.int8)}))


def patients_of_slices(world: World) -> None:
    some = world.rng.random(24) < 0.9
    change_index(world, lambda index: index.assign(patient=index["patient"].mask(some, index["slice_id"])))


def swap_slices(world: World) -> None:
    order = np.roll(np.arange(24, dtype=np.int32), 1 + int(world.rng.integers(20)))
    change_index(world, lambda index: index.assign(row=order))


def change_json(world: World, path: Path, **words: Any) -> None:
    facts = json.loads(world.keep(path).read_text())
    path.write_text(json.dumps({**facts, **words}))


def change_facts(world: World) -> None:
    words: list[dict[str, Any]] = [
        {"patients_known": False},
        {"thickness": 1.0},
        {"notes": {}},
        {"patients": 99},
        {"digest": "0" * 32},
    ]
    change_json(world, world.store / "store.json", **words[int(world.rng.integers(len(words)))])


def change_table(world: World, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = world.keep(world.run_folder / tracking.PREDICTIONS)
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def perfect_table(world: World) -> None:
    sure = 0.9 + world.rng.random() / 20
    change_table(world, lambda t: t.assign(probability=np.where(t["truth"] == 1, sure, 1 - sure)))


def other_threshold(world: World) -> None:
    change_table(world, lambda t: t.assign(threshold=world.rng.random()))


def add_studies(world: World) -> None:
    table = pd.read_parquet(world.run_folder / tracking.PREDICTIONS).drop_duplicates("study")
    path = world.keep(world.run_folder / tracking.STUDIES)
    table.assign(probability=np.abs(table["truth"] - world.rng.random() / 9)).to_parquet(path, index=False)


def negate_weights(world: World, fitted: Path) -> None:
    path = world.keep(world.one_of(sorted(fitted.glob("*.npz"))))
    with np.load(path) as arrays:
        changed = {name: -arrays[name] * (1 + world.rng.random()) for name in arrays.files}
    np.savez(path, **changed)


def add_line(world: World, path: Path) -> None:
    """Add a line that would leave a sign where it is run."""
    world.keep(path)
    path.write_text(f"open({str(world.store / 'was run')!r}, 'w').close()\n{path.read_text()}")


def change_code(world: World) -> None:
    add_line(world, world.one_of(sorted((world.model / "code").rglob("*.py"))))


def add_file(world: World) -> None:
    folder = world.one_of(sorted(path for path in world.model.rglob("*") if path.is_dir()))
    name = f"m{world.rng.integers(99)}.py" if folder.name != "__pycache__" else "m.pyc"
    world.keep((folder if folder.name != "__pycache__" else folder.parent) / name).write_text("1\n")


def remove_file(world: World) -> None:
    world.keep(world.one_of(sorted((world.model / "artifacts").rglob("*.*")))).unlink()


def fitting_digests(world: World) -> None:
    """Negate weights, and write digests that fit them; the database stays as it was."""
    negate_weights(world, world.model / "artifacts" / "classifier" / "fitted")
    path = world.keep(world.run_folder / digests.FILE)
    parts = json.loads(path.read_text())
    parts["model"] = digests.to_text(tracking.model_files(world.model))
    path.write_text(json.dumps(parts, indent=1))


def change_version(world: World) -> None:
    facts = json.loads((world.panel / "artifacts" / "panel" / "panel.json").read_text())
    facts["members"][0]["version"] = str(2 + int(world.rng.integers(9)))
    change_json(world, world.panel / "artifacts" / "panel" / "panel.json", **facts)


def change_tag(world: World) -> None:
    value = digests.of_bytes(world.rng.bytes(4)).sha256
    tracking.client().set_model_version_tag("hemo-any", "1", "files_digest", value)


def change_run_tag(world: World) -> None:
    version = tracking.client().get_model_version_by_alias("hemo-any", "production")
    value = digests.of_bytes(world.rng.bytes(4)).sha256
    tracking.client().set_tag(version.run_id or "", "files_digest", value)


def fit_all_but_the_audit(world: World) -> None:
    change_tag(world)
    tag = tracking.client().get_model_version("hemo-any", "1").tags["files_digest"]
    tracking.client().set_tag(world.runs["any", "good"], "files_digest", tag)


def rewrite_audit(world: World) -> None:
    record = ledger.records("hemo-any")[0]
    said = json.loads(tracking.client().get_run(record.audit_id).data.tags["record"])
    said["files"] = digests.of_bytes(world.rng.bytes(4)).sha256
    tracking.client().set_tag(record.audit_id, "record", json.dumps(said, sort_keys=True))


def delete_table(world: World) -> None:
    world.keep(world.run_folder / world.rng.choice([tracking.PREDICTIONS, digests.FILE])).unlink()


def swap_models(world: World) -> None:
    """Put the files of another run's model in the place of the candidate's."""
    other = tracking.get_run(world.runs["epidural", str(world.rng.choice(["good", "bad"]))]).model_uri
    theirs = local(tracking.client().get_logged_model(other.removeprefix("models:/")).artifact_location)
    for path in sorted(world.model.joinpath("artifacts").rglob("*.*")):
        shutil.copy(theirs / path.relative_to(world.model), world.keep(path))


FITTED = Path("artifacts") / "classifier" / "fitted"
SERVED = Path("artifacts") / "classifier" / "served.json"

TABLE = "predictions/predictions.parquet changed"

KINDS = [
    Kind("pixels flipped", flip_pixels, of_store, "shards/00000.npy changed", train),
    Kind("shard cut off", shorten_shard, of_store, "shards/00000.npy changed", train),
    Kind("labels inverted", invert_labels, of_store, "index.parquet changed", train),
    Kind("each slice its own patient", patients_of_slices, of_store, "index.parquet changed", train),
    Kind("slices in each other's place", swap_slices, of_store, "index.parquet changed", train),
    Kind("facts of the store", change_facts, of_store, "store.json changed", train),
    Kind("predictions made perfect", perfect_table, of_run, TABLE, register),
    Kind("threshold of predictions", other_threshold, of_run, TABLE, register),
    Kind("predictions or digests deleted", delete_table, of_run, "gone", register),
    Kind("predictions of studies added", add_studies, of_run, "predictions/studies.parquet added", register),
    Kind("weights negated", lambda w: negate_weights(w, w.model / FITTED), of_run, ".npz changed", register),
    Kind(
        "threshold of a model",
        lambda w: change_json(w, w.model / SERVED, threshold=w.rng.random()),
        of_run, "served.json changed", register,
    ),
    Kind(
        "line in the model's code file",
        lambda w: add_line(w, w.model / "classifier_code.py"),
        of_run, "classifier_code.py changed", register,
    ),
    Kind("line in the code beside a model", change_code, of_run, ".py changed", register),
    Kind("file added to a model", add_file, of_run, ".py added", register),
    Kind("file of a model deleted", remove_file, of_run, "gone", register),
    Kind("another run's model", swap_models, of_run, "changed", register),
    Kind("weights and digests negated together", fitting_digests, of_run, "digests.json changed", register),
    Kind(
        "weights of the panel",
        lambda w: negate_weights(w, w.served / "fitted"),
        of_panel, ".npz changed", predict,
    ),
    Kind(
        "threshold of the panel",
        lambda w: change_json(w, w.served / "served.json", threshold=w.rng.random()),
        of_panel, "served.json changed", predict,
    ),
    Kind("versions that the panel names", change_version, of_panel, "panel.json changed", predict),
    Kind(
        "line in the panel's code file",
        lambda w: add_line(w, w.panel / "panel_code.py"),
        of_panel, "panel_code.py changed", predict,
    ),
    Kind("digest of a version, in the database", change_tag, of_version, "audit tag", load_version),
    Kind("digest of a run, in the database", change_run_tag, of_version, "not what was", load_version),
    Kind("digests of both, in the database", fit_all_but_the_audit, of_version, "audit tag", load_version),
    Kind("digest in the audit", rewrite_audit, of_version, "audit tag", load_version),
]  # fmt: skip
"""Every kind that is tried."""
