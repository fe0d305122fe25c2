"""Why a file cannot be decoded, in words, by what its decoder said."""

import re
from typing import Final

SAID: Final = (
    (r"decoded RLE segment data doesn't match .*\((\d+) vs\. (\d+) bytes\)",
     "decodes to {0} bytes a segment where its header says {1}"),
    (r"number of RLE segments .*\((\d+) vs\. (\d+) segments\)",
     "holds {0} segments of RLE a frame where its header says {1}"),
    (r"could not broadcast input array from shape \((\d+),\) into shape \((\d+),\)",
     "decodes to {0} bytes where its header says {1}"),
    (r"^StopIteration", "holds fewer frames than its header says"),
    (r"'Transfer Syntax UID' value of '([0-9.]{1,64})' is not supported",
     "compressed as {0}, which is not read"),
    (r"missing dependencies", "compressed in a way for which no decoder is installed"),
    (r"SOI marker missing|No matching JPEG 2000|JPEG marker was not found",
     "its compressed data are not what its header calls them"),
    (r"less than expected", "short pixel data"),
    (r"Expected (\d+) bytes, got (\d+) bytes", "cut off: holds {1} bytes of the {0} that its header says"),
    (r"[Pp]remature end|truncated|stream too small|^EOFError|Not enough data|No tag to read|^WrapStructError",
     "cut off before its end"),
    (r"Unknown Value Representation .* in tag \((\w{4}),(\w{4})\)",
     "damaged: the kind of element ({0},{1}) of its header is unknown"),
    (r"^BytesLengthException|could not convert string to|invalid literal for int",
     "damaged: a number of its header is none"),
    (r"w2 should be positive", "damaged: its qform is no rotation"),
    (r"^(BadGzipFile|PngError|_UnusualError|error):|CRC|[Cc]orrupt|decoder error|Unsupported marker type",
     "damaged: its compressed data do not fit together"),
    (r"Missing dimensions|tile cannot extend", "damaged: a page of it has no size of its own"),
    (r"^SyntaxError", "damaged, or of a kind that is not read"),
    (r"Image size \((\d+) pixels\) exceeds", "claims {0} pixels, which no slice has"),
    (r"^UnidentifiedImageError|Could not determine subsampling",
     "damaged: what follows its beginning is not what that says"),
    (r"data code (\d+) not recognized", "numbers of type {0}, which NIfTI does not know"),
    (r"(slope|intercept) (nan|-?inf)", "its {0} is no number"),
)  # fmt: skip
"""What decoders say, as `Type: message`, and what that means; the first that fits."""


def reason(error: Exception) -> str:
    """Return why a file could not be decoded; nothing of what it holds but sizes and kinds.

    Examples
    --------
    >>> reason(EOFError("Compressed file ended before the end-of-stream marker was reached"))
    'cut off before its end'
    """
    said = f"{type(error).__name__}: {error}"
    for pattern, words in SAID:
        if found := re.search(pattern, said, re.DOTALL):
            return words.format(*found.groups())
    return f"cannot be decoded ({type(error).__name__})"
