"""What is logged and served: one classifier, or the panel of all labels.

The code files of registered models say `from hemo.serving import ServedClassifier` and `ServedPanel`.
"""

from hemo.serving.answers import ALONE_RULE, ANY_RULE, OWN_RULE, STUDY_RULE, Sent, tabulate
from hemo.serving.member import Member
from hemo.serving.models import ServedClassifier, ServedPanel
from hemo.serving.unsure import UNSURE_RULE

__all__ = [
    "ALONE_RULE",
    "ANY_RULE",
    "OWN_RULE",
    "STUDY_RULE",
    "UNSURE_RULE",
    "Member",
    "Sent",
    "ServedClassifier",
    "ServedPanel",
    "tabulate",
]
