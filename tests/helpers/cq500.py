"""A phantom in CQ500's shape: its folders, its names in the table, and three readers who err."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom

from hemo.labels import LABELS, SUBTYPES

WORDS = {"any": "ICH", "intraparenchymal": "IPH", "intraventricular": "IVH",
         "subdural": "SDH", "epidural": "EDH", "subarachnoid": "SAH"}  # fmt: skip


def as_cq500(
    phantom: Path, table: Path, wrong: Sequence[float] = (0.1, 0.1, 0.1), seed: int = 0
) -> tuple[Path, pd.DataFrame]:
    """Lay a phantom's studies out as CQ500's, and write what three readers say of them.

    Parameters
    ----------
    phantom
        A folder of studies as DICOM; its files are moved and renamed.
    table
        Its labels in RSNA's form.
    wrong
        How often each reader errs about a subtype, independently of the others.
    seed
        Of the errors.

    Returns
    -------
    reads
        `reads.csv` beside the phantom.
    truth
        The labels of each study, by the name that `reads.csv` has.
    """
    rng = np.random.default_rng(seed)
    rows = pd.read_csv(table)
    rows[["image", "label"]] = rows["ID"].str.rsplit("_", n=1, expand=True)
    slices = rows.pivot_table(index="image", columns="label", values="Label").astype(int)
    truth, reads = {}, []
    studies: dict[str, list[Path]] = {}
    for file in sorted(phantom.rglob("*.dcm")):
        studies.setdefault(pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID, []).append(file)
    for number, files in enumerate(studies.values()):
        name = f"CQ500-CT-{number}"
        own = slices.loc[[path.stem for path in files]].max()
        truth[name] = [int(own[label]) for label in LABELS]
        reads.append({"name": name, "Category": "B1", **_reads(dict(own), wrong, rng)})
        inside = phantom / f"CQ500CT{number} CQ500CT{number}" / "Unknown Study" / "CT Plain"
        inside.mkdir(parents=True)
        for place, file in enumerate(files):
            file.rename(inside / f"CT{place:06d}.dcm")
    path = phantom.with_name("reads.csv")
    pd.DataFrame(reads).to_csv(path, index=False)
    return path, pd.DataFrame.from_dict(truth, orient="index", columns=list(LABELS))


def _reads(own: dict[str, int], wrong: Sequence[float], rng: np.random.Generator) -> dict[str, int]:
    """Return what three readers say of a study, by CQ500's names of columns."""
    said: dict[str, int] = {}
    for number, rate in enumerate(wrong, start=1):
        reader = f"R{number}"
        called = {label: int(own[label]) ^ int(rng.random() < rate) for label in SUBTYPES}
        called["any"] = max(called.values())
        said |= {f"{reader}:{WORDS[label]}": called[label] for label in LABELS}
    return said
