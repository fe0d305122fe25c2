"""The six labels, in the order used everywhere."""

from typing import Final

SUBTYPES: Final = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
LABELS: Final = ("any", *SUBTYPES)
