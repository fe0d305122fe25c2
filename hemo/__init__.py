"""From head-CT slices and a label table to six classifiers of intracranial hemorrhage in production."""

import os

# TensorFlow reports its build options on every start; a worker process would repeat them for each pool.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
