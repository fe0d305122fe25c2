"""From an experiment and a store to the plan that all its trainings share. Knows no MLflow."""

from hemo import memory
from hemo.config import Experiment
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan


def make_plan(config: Experiment, store: SliceStore, protocol: Protocol | None = None) -> Plan:
    """Return how an experiment's classifiers are trained on a store, and promise its memory.

    Parameters
    ----------
    config : Experiment
        Split, sampling, operating point, seed and so on.
    store : SliceStore
        Its patients are dealt.
    protocol : Protocol, optional
        In place of the experiment's.
    """
    memory.promise(config.memory)
    protocol = protocol or config.protocol
    if not protocol.by_patient:  # neither threshold nor calibration is fitted there
        rule = OperatingPointRule("fixed", 0.5)
        return Plan(None, config.sampling, rule, config.positives, config.seed, draws=config.draws)
    repeats = config.repeats if protocol is Protocol.CV else 1  # tuning keeps patients apart: dealt once
    split = make_split(store.index, protocol, config.seed, folds=config.folds, repeats=repeats)
    return Plan(
        split, config.sampling, config.operating_point, config.positives, config.seed, config.calibration,
        config.draws, config.study_operating_point,
    )  # fmt: skip
