import os
import signal

from mlflow.tracking import MlflowClient
from mlflow.tracking._model_registry import utils as registry_service
from mlflow.tracking._tracking_service import utils as tracking_service

from hemo.registry import aliases, chain, ledger, panel, promotion
from tests.helpers.registry_world import case, decide

ANY = "hemo-any"
WRITES = (
    "create_run", "set_tag", "set_terminated", "create_registered_model", "create_model_version",
    "update_model_version", "set_model_version_tag", "set_registered_model_alias",
    "delete_registered_model_alias", "log_artifacts",
)  # fmt: skip
"""Everything that the registry changes in MLflow."""


def in_a_process_killed_at(step: int, action, folder) -> bool:
    """Run `action` in a forked process that gets SIGKILL before its write number `step`; was it killed?

    After every write it looks, as a reader would, whether something is in production.
    """
    empty = folder / "production was empty"
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert not empty.exists()
        return os.WIFSIGNALED(status)
    try:
        for kept in (tracking_service._get_store(), registry_service._get_store()):
            kept.engine.dispose(close=False)  # a connection must not be shared with the parent process
        left = [step]
        for name in WRITES:
            original = getattr(MlflowClient, name)

            def counted(*args, original=original, **words):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                result = original(*args, **words)
                if not all("production" in aliases.current(model) for model in (ANY, "hemo-panel")):
                    empty.touch()
                return result

            setattr(MlflowClient, name, counted)
        action()
    finally:
        os._exit(0)


def check_whole():
    """Assert that records, aliases and panel agree."""
    for model in (ANY, "hemo-panel"):
        history = ledger.records(model)
        assert chain.faults(history) == []
        assert all(record.state != "open" for record in history)
        assert chain.replay(history) == aliases.current(model)
    production = aliases.current(ANY)["production"]
    assert panel.members_of(aliases.current("hemo-panel")["production"]) == {"any": production}


def killed_everywhere(action, back, folder) -> int:
    """Kill `action` at each of its writes, settle and go `back`; return how many writes it has."""
    for step in range(60):
        killed = in_a_process_killed_at(step, action, folder)
        panel.settle_all()
        check_whole()
        if not killed:
            return step
        back()
        check_whole()
    raise AssertionError("the action never ended")


def test_a_promotion_killed_at_any_write_is_completed_or_undone_by_the_next_command(store, tmp_path):
    decide(case(store, "any", "good"))

    def back():
        if aliases.current(ANY)["production"] != "1":
            promotion.rollback("any")

    writes = killed_everywhere(lambda: decide(case(store, "any", "better")), back, tmp_path)
    assert writes > 10
    assert aliases.current(ANY)["production"] == "2"


def test_a_rollback_killed_at_any_write_is_completed_or_undone_by_the_next_command(store, tmp_path):
    decide(case(store, "any", "good"))
    decide(case(store, "any", "better"))

    def back():
        if aliases.current(ANY)["production"] != "2":
            promotion.rollback("any")

    assert killed_everywhere(lambda: promotion.rollback("any"), back, tmp_path) > 5
    assert aliases.current(ANY) == {"production": "1", "previous": "2"}
