"""Write a finished store's index, exclusions and facts: all of them, or none that counts."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hemo import digests
from hemo.slices import integrity
from hemo.slices.integrity import PARTIAL
from hemo.slices.ordering import ROWS
from hemo.slices.reads import agreement_table
from hemo.slices.shards import durable, sync_folder
from hemo.whole import csv_text

if TYPE_CHECKING:
    from hemo.slices.assemble import Assembled


def replace_text(path: Path, text: str) -> None:
    """Write a file by a temporary one beside it, so that it is never seen half written."""
    os.replace(_beside(path, text), path)
    sync_folder(path.parent)


def _beside(path: Path, text: str) -> Path:
    """Write what shall take a file's place beside it, down to the disk."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w") as stream:
        stream.write(text)
        durable(stream)
    return partial


def write_index(folder: Path, index: pd.DataFrame) -> None:
    """Write a store's index, beside the one that it will take the place of."""
    with (folder / f"index.parquet{PARTIAL}").open("wb") as stream:
        schema = pa.Schema.from_pandas(index, preserve_index=False)
        # Dictionaries of values that hardly repeat take several times the memory of the rows.
        with pq.ParquetWriter(stream, schema, use_dictionary=False) as writer:
            for start in range(0, len(index), ROWS):
                writer.write_table(pa.Table.from_pandas(index.iloc[start : start + ROWS], schema))
        durable(stream)


def write_assembled(folder: Path, assembled: "Assembled", facts: dict[str, Any]) -> None:
    """Write index, exclusions, agreement, digests of all files, and `store.json`.

    All are written beside those that are there; the digests of the new ones, once they are in the folder, say
    that these count, and `take_places` is done by the next build where this one is stopped within.
    """
    write_index(folder, assembled.index)
    texts = {"exclusions.csv": csv_text(assembled.exclusions)}
    if assembled.unmatched:
        texts["unmatched.csv"] = csv_text(pd.Series(assembled.unmatched, name="label_row"))
    if (agreed := agreement_table(facts)) is not None:
        texts["agreement.csv"] = csv_text(agreed)
    texts["store.json"] = json.dumps({**facts, integrity.RECORDED: True}, indent=2) + "\n"
    for name, text in texts.items():
        _beside(folder / name, text)
    tables = [name for name in integrity.TABLES if name in texts or name == "index.parquet"]
    replace_text(folder / integrity.NEXT, integrity.manifest(folder, tables, texts["store.json"]))
    take_places(folder)


def take_places(folder: Path) -> None:
    """Let what was written beside a store's files take their places, as far as it has not."""
    new = digests.from_text((folder / integrity.NEXT).read_text())
    for name in (*integrity.TABLES, "store.json"):
        partial = folder / f"{name}{PARTIAL}"
        if name not in new:
            (folder / name).unlink(missing_ok=True)
        elif partial.exists():
            os.replace(partial, folder / name)
    sync_folder(folder)
    os.replace(folder / integrity.NEXT, folder / digests.FILE)
    sync_folder(folder)
