"""What MLflow's scoring server is kept from where it serves a model of hemo's: floods, and saying too much.

The server is MLflow's own and knows no limit of a request's size: one of 1 GB takes seven, while all others
wait. It also sends the traceback of whatever went wrong, with paths of this machine. A model is loaded before
the server's application is made, whose every request passes through a function of MLflow's that
`protect_server` replaces.
"""

import functools
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from fastapi import Request, Response

LARGEST_BODY: Final = 128 << 20
"""Bytes of a request: 180 slices of 512 x 512 as plain DICOM in base64, several times as many compressed."""

TOO_LARGE: Final = (
    f"a request is {LARGEST_BODY >> 20} MB at most: send a larger study compressed, or to `hemo predict`"
)

UNREADABLE: Final = "the request cannot be read: send what docs/registry.md describes"

FOLLOWED_BY: Final = "\nError: "
"""What MLflow writes between the data that were sent and what is wrong with them."""

Handler = Callable[["Request"], Awaitable["Response"]]


def protect_server() -> None:
    """Let MLflow's scoring server, if this is one, refuse large requests and keep tracebacks to itself."""
    server: Any = sys.modules.get("mlflow.pyfunc.scoring_server")
    if server is not None:
        server._async_catch_mlflow_exception = guarded


def guarded(handle: Handler) -> Handler:
    """Return what answers requests as `handle` does, but for those that are too large and what fails."""

    @functools.wraps(handle)
    async def answer(request: "Request") -> "Response":
        try:
            if await _too_large(request):
                return _said(413, "REQUEST_TOO_LARGE", TOO_LARGE)
            return await handle(request)
        except MlflowException as fault:
            # MLflow writes all that was sent before the fault.
            words = " ".join(fault.message.partition(FOLLOWED_BY)[2].split() or fault.message.split())
            return _said(fault.get_http_status_code(), fault.error_code, words)
        except Exception:  # what cannot be taken for a table makes parsers raise whatever they like
            return _said(400, "BAD_REQUEST", UNREADABLE)

    return answer


async def _too_large(request: "Request") -> bool:
    """Read a request's body up to the limit; tell whether there is more, by what it says or by what comes."""
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > LARGEST_BODY:
        return True
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            return True
        pieces.append(piece)
    request._body = b"".join(pieces)  # where `request.body()` keeps it
    return False


def _said(status: int, code: str, message: str) -> "Response":
    from fastapi import Response

    content = json.dumps({"error_code": code, "message": message})
    return Response(content=content, status_code=status, media_type="application/json")
