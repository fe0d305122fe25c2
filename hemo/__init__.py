"""From head-CT slices and a label table to six classifiers of intracranial hemorrhage in production."""

import logging
import os

# TensorFlow reports its build options on every start, and every retracing: each fold is one, and meant to be.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__version__ = "0.1.0"
