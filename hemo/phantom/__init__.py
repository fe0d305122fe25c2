"""Synthetic head CT with hemorrhages of the five types, in Hounsfield units, drawn from a seed.

A head is a function of points in space (`study.head`): anatomy of one patient (`anatomy`, `skull`,
`brain`), hemorrhages (`hemorrhage`, `blood`), seen by a scanner (`scanner`). It is good for trying
the whole way of the data and for pretraining; it says nothing of how a classifier does on people.
"""

from hemo.phantom.files import write
from hemo.phantom.study import PhantomStudy, make_study, patient_seed, profile, studies_of

__all__ = ["PhantomStudy", "make_study", "patient_seed", "profile", "studies_of", "write"]
