"""From head-CT slices and a label table to six classifiers of intracranial hemorrhage in production.

In a notebook:

    import hemo

    table = hemo.make_phantom("phantom", patients=24)      # or a label table of your own
    store = hemo.preprocess("phantom", table, "store").store
    trained = {family: hemo.train(store, family, "any") for family in ("logreg", "boosted")}
    print(hemo.compare(trained))
    hemo.plot(trained["boosted"], "roc").savefig("roc.png")

These names are those of `hemo.api`, imported when one is first used: `import hemo` alone costs nothing.
"""

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

from hemo.version import __version__

if TYPE_CHECKING:
    from hemo.api import (
        LABELS,
        Experiment,
        HemoError,
        Reduction,
        SliceStore,
        Trained,
        compare,
        load_experiment,
        make_phantom,
        open_store,
        plot,
        preprocess,
        train,
    )

__all__ = [
    "LABELS",
    "Experiment",
    "HemoError",
    "Reduction",
    "SliceStore",
    "Trained",
    "__version__",
    "compare",
    "load_experiment",
    "make_phantom",
    "open_store",
    "plot",
    "preprocess",
    "train",
]

# TensorFlow reports its build options on every start, and every retracing: each fold is one, and meant to be.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logging.getLogger("tensorflow").setLevel(logging.ERROR)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hemo' has no attribute '{name}'")
    return getattr(importlib.import_module("hemo.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
