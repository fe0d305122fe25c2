"""What MLflow's scoring server is kept from where it serves a model of hemo's: floods, and saying too much.

The server is MLflow's own and knows no limit of a request's size: one of 1 GB takes seven, while all others
wait. It also sends the traceback of whatever went wrong, with paths of this machine. A model is loaded before
the server's application is made, whose every request passes through a function of MLflow's that
`protect_server` replaces.
"""

import functools
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mlflow.exceptions import MlflowException

from hemo.imaging import decoding
from hemo.serving.inputs import MAX_IMAGES, bad_request

LARGEST_BODY: Final = 100 << 20
"""Bytes of a request, which takes ten times as many to read.

140 slices of 512 x 512 as plain DICOM in base64, and several times as many compressed.
"""

MOST_PARTS: Final = 200_000
"""Commas, brackets and lines of a request in text: each may become an object of a hundred bytes."""

LARGEST_WIDE: Final = 10 << 20
"""Bytes of a request in text that may hold signs beyond U+FFFF: one makes Python keep four bytes for each."""

TOO_LARGE: Final = (
    f"a request is {LARGEST_BODY >> 20} MB at most: send a larger study compressed, or to `hemo predict`"
)

TOO_MANY: Final = f"a request of more than {MOST_PARTS:,} values: send the bytes of one file a row"

TOO_WIDE: Final = (
    f"a request of more than {LARGEST_WIDE >> 20} MB holds files in base64: it may have no sign beyond U+FFFF"
)

UNREADABLE: Final = "the request cannot be read: send what docs/registry.md describes"

FOLLOWED_BY: Final = "\nError: "
"""What MLflow writes between the data that were sent and what is wrong with them."""

Handler = Callable[[Any], Awaitable[Any]]


def protect_server() -> None:
    """Let MLflow's scoring server, if this is one, refuse large requests and keep tracebacks to itself."""
    server: Any = sys.modules.get("mlflow.pyfunc.scoring_server")
    if server is None:
        return
    answering = server._async_catch_mlflow_exception
    if getattr(answering, "guards", False):
        return

    def guarding(handle: Handler) -> Handler:
        return answering(guarded(handle))

    guarding.guards = True  # type: ignore[attr-defined]
    server._async_catch_mlflow_exception = guarding


def guarded(handle: Handler) -> Handler:
    """Return what does as `handle`, which answers a request, but for those that are too large and what fails.

    Raises
    ------
    MlflowException
        With one line and nothing else, which the server answers with the status of its code.
    """

    @functools.wraps(handle)
    async def answer(request: Any) -> Any:
        try:
            await _limit(request)
            return await handle(request)
        except MlflowException as fault:
            # MLflow writes all that was sent before the fault, and the traceback behind it.
            words = " ".join(fault.message.partition(FOLLOWED_BY)[2].split() or fault.message.split())
            plain = MlflowException(words)
            plain.error_code = fault.error_code
            raise plain from None
        except Exception:  # what cannot be taken for a table makes parsers raise whatever they like
            raise bad_request(UNREADABLE) from None

    return answer


async def _limit(request: Any) -> None:
    """Read a request's body up to the limit; raise MlflowException where there is more, said or sent."""
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > LARGEST_BODY:
        raise bad_request(TOO_LARGE)
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            raise bad_request(TOO_LARGE)
        pieces.append(piece)
    body = request._body = b"".join(pieces)  # where `request.body()` keeps it
    if "parquet" in request.headers.get("content-type", ""):
        if unpacked_size(body) > LARGEST_BODY:
            raise bad_request(TOO_LARGE)
    elif size > LARGEST_WIDE and re.search(rb"[\xf0-\xf4]|\\u[dD][89a-fA-F]", body):
        raise bad_request(TOO_WIDE)
    elif sum(body.count(sign) for sign in (b",", b"[", b"{", b"\n")) > MOST_PARTS:
        raise bad_request(TOO_MANY)


def unpacked_size(body: bytes) -> int:
    """Return how many bytes a table in Parquet holds, of which each value may be written once for many rows.

    What its description says is looked at first. That may be false: pages are read where they cost no more
    than a file may.

    Raises
    ------
    Excluded
        Where it cannot be read, or not within the bounds of a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = pq.read_metadata(pa.BufferReader(body))
    size = sum(said.row_group(number).total_byte_size for number in range(said.num_row_groups))
    if said.num_rows > MAX_IMAGES or size > LARGEST_BODY:
        return max(size, LARGEST_BODY + 1)
    (size,) = decoding.decode("parquet", body)
    return int(size)
