"""What is logged and served: one classifier, or the panel of all labels.

The code files of registered models say `from hemo.serving import ServedClassifier` and `ServedPanel`.
"""

from hemo.serving.answers import ANY_RULE, OWN_RULE, STUDY_RULE, tabulate
from hemo.serving.models import Member, ServedClassifier, ServedPanel

__all__ = [
    "ANY_RULE",
    "OWN_RULE",
    "STUDY_RULE",
    "Member",
    "ServedClassifier",
    "ServedPanel",
    "tabulate",
]
