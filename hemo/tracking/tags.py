"""Tags of runs that several parts of hemo write or read."""

from hemo import liveness

UNAUDITED = "unaudited: slices without patient ids"
"""Tag `leakage` of runs on such data: no split of it can be shown to keep patients apart."""

FILES_DIGEST = "files_digest"
"""Tag of runs and versions: the digest of the run's `digests.json` (see `hemo.tracking.recorded`)."""

ABRIDGED = "abridged"
"""Tag of runs whose classifier's fit was cut down for want of memory: how, and what that costs."""


def process_tags() -> dict[str, str]:
    """Return the tags `host` and `process`, by which a later start knows whether a run's process is alive."""
    host, _, process = liveness.this_process().rpartition(":")
    return {"host": host, "process": process}
