"""The commands in the middle of which something fails: each small, each with what was finished before it."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow

from hemo import digests, tracking
from hemo.cli import main
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.registry import chain, ledger
from hemo.slices import preprocess as preprocessing
from hemo.slices.store import SliceStore
from tests.fire.faults import Job, as_command
from tests.helpers.folders import dicom_folder, write_rsna
from tests.helpers.mlflow_default import forget_stores


def cheap_jobs(root: Path) -> list[Job]:
    """Return jobs that need no training: a store, more slices for a finished one, a prediction table."""
    from hemo.tracking import faults  # noqa: F401 (imported once, not in every process that fails)
    from tests.helpers.registry_world import table as made_table

    preprocessing.SMALLEST_SHARD = 4  # type: ignore[misc]
    images = root / "images"
    labels = write_rsna(root / "labels.csv", dicom_folder(images, patients=3, slices=4))
    (root / "key").write_text("k" * 32)

    def preprocess(folder: Path, scans: Path = images, *words: str) -> None:
        given = ["--images", str(scans), "--labels", str(labels), "--store", str(folder / "store")]
        main(["preprocess", *given, "--size", "16", "--workers", "1", *words], prog_name="hemo")

    with suppress(SystemExit):
        preprocess(root / "first", images / "study0", "--key", str(root / "key"))

    def with_a_store(folder: Path) -> None:
        shutil.copytree(root / "first" / "store", folder / "store")

    def add(folder: Path) -> None:
        preprocess(folder, images, "--key", str(root / "key"))

    older, newer = made_table(), made_table(quality=5.0)

    def with_a_table(folder: Path) -> None:
        predictions.write(older, folder / "p.parquet")

    def write(folder: Path) -> None:
        as_command(lambda: predictions.write(newer, folder / "p.parquet"))

    def table(folder: Path) -> Any:
        return predictions.read(folder / "p.parquet")["probability"].sum()

    return [
        Job("preprocess", lambda folder: None, preprocess, _digest),
        Job("adding to a store", with_a_store, add, _digest),
        Job("predictions", with_a_table, write, table),
    ]


def _digest(folder: Path) -> Any:
    """Return a finished store's digest; that it says what to do, where its files are being replaced."""
    try:
        return SliceStore.open_checked(folder / "store").digest
    except HemoError as fault:
        unfinished = any(words in str(fault) for words in ("no slice store", "an unfinished slice store"))
        if unfinished or "run the same command again" in str(fault):
            return None if unfinished else "stopped"
        raise


def all_jobs(root: Path) -> list[Job]:
    """Return these jobs, and those of a registry with a panel: predicting files, and promoting another."""
    from hemo.registry import aliases, panel
    from tests.helpers.registry_world import case, decide, train_all

    jobs = cheap_jobs(root)
    (root / "registry").mkdir()
    runs = train_all(root / "registry")
    decide(case(runs, "any", "good"))
    served = panel.load()
    scans = sorted((root / "images" / "study1").iterdir())
    forget_stores()

    def with_a_registry(folder: Path) -> None:
        shutil.copy(root / "registry" / "mlflow.db", folder / "mlflow.db")

    def use(folder: Path) -> None:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")

    def promote(folder: Path) -> None:
        use(folder)
        as_command(lambda: print(decide(case(runs, "any", "better"))))

    def in_production(folder: Path) -> Any:
        use(folder)
        panel.settle_all()
        for model in ("hemo-any", "hemo-panel"):
            history = ledger.records(model)
            assert chain.faults(history) == []
            assert chain.replay(history) == aliases.current(model)
        number = aliases.current("hemo-any")["production"]
        assert panel.members_of(aliases.current("hemo-panel")["production"]) == {"any": number}
        return tracking.client().get_model_version("hemo-any", number).run_id

    def predict(suffix: str) -> Job:
        def with_a_page(folder: Path) -> None:
            with_a_registry(folder)
            (folder / f"p{suffix}").write_text("the page of before")

        def command(folder: Path) -> None:
            use(folder)
            setattr(panel, "load", lambda _: served)  # noqa: B010 (mypy knows no other way)
            main(["predict", *map(str, scans), "--out", str(folder / f"p{suffix}")], prog_name="hemo")

        def page(folder: Path) -> Any:
            return digests.of_file(folder / f"p{suffix}").sha256

        return Job(f"predict {suffix}", with_a_page, command, page)

    pages = [predict(suffix) for suffix in (".csv", ".json", ".html")]
    return [*jobs, *pages, Job("promotion", with_a_registry, promote, in_production)]
