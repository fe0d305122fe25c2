"""Tags of runs that several parts of hemo write or read."""

from hemo import liveness

UNAUDITED = "unaudited: slices without patient ids"
"""Tag `leakage` of runs on such data: no split of it can be shown to keep patients apart."""


def process_tags() -> dict[str, str]:
    """Return the tags `host` and `process`, by which a later start knows whether a run's process is alive."""
    host, _, process = liveness.this_process().rpartition(":")
    return {"host": host, "process": process}
