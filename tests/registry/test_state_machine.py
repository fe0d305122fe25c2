"""Whatever is done, by commands or by hand, the registry tells the truth about it."""

import shutil

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hemo import tracking
from hemo.errors import HemoError
from hemo.registry import aliases, chain, ledger, names, panel, promotion
from hemo.registry.names import model_name
from tests.helpers.mlflow_default import forget_stores
from tests.helpers.registry_world import case, decide, empty_store

LABELS = ("any", "epidural")
NAMES = ("good", "better", "bad")


def machine(world, tmp_path_factory) -> type[RuleBasedStateMachine]:
    """Return the machine over copies of a store with training runs."""
    template, runs = world

    class Registry(RuleBasedStateMachine):
        """A person and hemo at work on one registry; `was` is what was in production before, by the rules."""

        @initialize()
        def begin(self) -> None:
            self.folder = tmp_path_factory.mktemp("machine")
            self.patch = pytest.MonkeyPatch()
            empty_store(template / "mlflow.db", self.folder, self.patch)
            self.history: dict[str, list[str]] = {label: [] for label in LABELS}

        def teardown(self) -> None:
            if hasattr(self, "patch"):
                self.patch.undo()
                shutil.rmtree(self.folder)

        def now(self, label: str) -> dict[str, str]:
            return aliases.current(model_name(label))

        @rule(label=st.sampled_from(LABELS), name=st.sampled_from(NAMES))
        def promote(self, label: str, name: str) -> None:
            before = self.now(label)
            decision = decide(case(runs, label, name))
            after = self.now(label)
            if decision == "kept":
                assert after == before
            else:
                assert decision == "promoted"
                assert after["production"] != before.get("production")
                assert after.get("previous") == before.get("production")

        @rule(label=st.sampled_from(LABELS), name=st.sampled_from(NAMES), sound=st.booleans())
        def refuse(self, label: str, name: str, sound: bool) -> None:
            before = self.now(label)
            made = case(runs, label, name, sound=sound, better=False)
            decision = decide(made)
            after = self.now(label)
            if not made.verdict.passed:
                assert decision in ("refused", "challenger", "kept")
                assert after.get("production") == before.get("production")
                assert after.get("previous") == before.get("previous")
            if decision == "challenger":
                assert after["challenger"] not in (None, after["production"])

        @rule(label=st.sampled_from(LABELS), name=st.sampled_from(NAMES))
        def override(self, label: str, name: str) -> None:
            decision = decide(case(runs, label, name, sound=False), "I know better")
            assert decision in ("overridden", "kept")
            if decision == "overridden":
                assert ledger.records(model_name(label))[-1].overridden

        @rule(label=st.sampled_from(LABELS))
        def rollback(self, label: str) -> None:
            before = self.now(label)
            try:
                promotion.rollback(label)
            except HemoError:
                assert self.now(label) == before
                assert before.get("previous") in (None, before.get("production"))
                return
            after = self.now(label)
            assert after["production"] == before["previous"]
            assert after.get("previous") == before.get("production")

        @rule(label=st.sampled_from(LABELS), alias=st.sampled_from(chain.ALIASES), data=st.data())
        def move_by_hand(self, label: str, alias: str, data: st.DataObject) -> None:
            model = model_name(label)
            there = sorted(aliases.versions(model)) if aliases.registered(model) else []
            if not there:
                return
            before = self.now(label)
            number = data.draw(st.sampled_from(there))
            tracking.client().set_registered_model_alias(model, alias, number)
            aliases.settle(model)
            if before.get(alias) != number:
                assert ledger.records(model)[-1].action == "by hand"
            if alias == "production" and before.get(alias) not in (None, number):
                assert self.now(label)["previous"] == before["production"]

        @rule(label=st.sampled_from(LABELS), data=st.data())
        def delete_a_version(self, label: str, data: st.DataObject) -> None:
            model = model_name(label)
            there = sorted(aliases.versions(model)) if aliases.registered(model) else []
            if there:
                tracking.client().delete_model_version(model, data.draw(st.sampled_from(there)))

        @precondition(lambda self: aliases.registered(names.PANEL) is not None)
        @rule(data=st.data())
        def move_the_panel_by_hand(self, data: st.DataObject) -> None:
            there = sorted(aliases.versions(names.PANEL))
            number = data.draw(st.sampled_from(there))
            tracking.client().set_registered_model_alias(names.PANEL, "production", number)

        @invariant()
        def the_audit_replays_to_the_present(self) -> None:
            if not hasattr(self, "folder"):
                return
            panel.settle_all()
            histories, found = ledger.all_records(), aliases.all_current()
            for model in (*(model_name(label) for label in LABELS), names.PANEL):
                history = histories.get(model, [])
                assert chain.faults(history) == []
                assert chain.replay(history) == found.get(model, {})
                production = found.get(model, {}).get("production")
                assert production is None or production in aliases.versions(model)

        @invariant()
        def the_panel_is_made_of_the_production_versions(self) -> None:
            if not hasattr(self, "folder"):
                return
            version = aliases.current(names.PANEL).get("production")
            assert (panel.members_of(version) if version else {}) == panel.production()

    return Registry


def test_the_registry_tells_the_truth_whatever_is_done(trained, tmp_path_factory):
    run_state_machine_as_test(
        machine(trained, tmp_path_factory),
        settings=settings(
            max_examples=7, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    forget_stores()
