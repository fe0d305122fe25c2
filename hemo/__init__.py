"""From head-CT slices and a label table to six classifiers of intracranial hemorrhage in production."""

__version__ = "0.1.0"
