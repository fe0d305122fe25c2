import json
import socket

import mlflow
import pytest

from hemo import config, tracking
from hemo.errors import HemoError
from hemo.registry import aliases, chain, in_production, ledger, panel, promotion
from tests.helpers.forks import forked
from tests.helpers.present import present
from tests.helpers.registry_world import case, classifier, decide, table, train

ANY = "hemo-any"


def settings(**words):
    return config.load(None, name="made up", draws=100, **words)


def experiment():
    return tracking.find_experiment("made up")


def promote(**words):
    return promotion.promote(settings(), experiment(), **words).set_index("label")


def test_the_best_family_of_each_label_is_promoted_with_tags_description_and_reports(store):
    decided = promote()
    assert decided.loc[["any", "epidural"], "decision"].tolist() == ["promoted", "promoted"]
    assert decided.loc["subdural", "decision"] == "no candidate"
    version = tracking.client().get_model_version_by_alias(ANY, "production")
    assert version.run_id == store["any", "good"]
    assert version.tags["protocol"] == "cv"
    assert version.tags["recall"].startswith("0.")
    assert "95% interval" in present(version.description)
    assert "`hemo history any`" in present(present(aliases.registered(ANY)).description)
    report = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/gate/any.json"))
    assert report["passed"]
    assert {c["name"] for c in report["conditions"]} >= {"protocol", "recall", "specificity", "calibration"}
    deciding = version.tags["decided_in"]
    assert "<table>" in mlflow.artifacts.load_text(f"runs:/{deciding}/gate/any.html")
    run = tracking.client().get_run(deciding)
    assert (run.info.run_name, run.data.tags["stage"]) == ("promotion", "promotion")


def test_promoting_again_keeps_what_is_there_and_adds_no_record(store):
    promote()
    before = ledger.records(ANY)
    assert promote().loc["any", "decision"] == "kept"
    assert ledger.records(ANY) == before


def test_a_dry_run_shows_the_verdict_and_writes_nothing(store):
    runs = len(mlflow.search_runs(search_all_experiments=True))
    table, cases = promotion.rehearse(settings(), experiment())
    assert table.set_index("label").loc["any", "decision"] == "would pass"
    assert [case.label for case in cases] == ["any", "epidural"]
    assert len(mlflow.search_runs(search_all_experiments=True)) == runs
    assert aliases.current(ANY) == {}


def test_a_refused_classifier_is_not_registered_and_leaves_a_record(store, tmp_path):
    run_id = train(experiment(), "any", table(0.1), classifier(), tmp_path / "worse")
    decided = promote()
    assert decided.loc["any", "decision"] == "refused"
    assert "recall may be as low as" in decided.loc["any", "reason"]
    assert aliases.registered(ANY) is None
    (record,) = ledger.records(ANY)
    assert (record.action, record.run_id, record.state) == ("refuse", run_id, "done")


def test_an_override_promotes_is_recorded_and_shown(store):
    assert decide(case(store, "any", sound=False), "wanted for a demonstration") == "overridden"
    version = tracking.client().get_model_version_by_alias(ANY, "production")
    assert version.tags["override"] == "wanted for a demonstration"
    assert "![red](" in present(version.description)
    assert "Gate overridden: wanted for a demonstration !" in present(version.description)
    assert ledger.records(ANY)[-1].overridden
    rows = in_production.rows()
    assert any(
        "against the gate: wanted for a demonstration" in line for line in in_production.warnings(rows)
    )
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/card/card.html")
    assert 'class="warning">The gate refused it; a person overrode the gate: wanted for a' in card
    page = mlflow.artifacts.load_text(f"runs:/{version.tags['decided_in']}/gate/any.html")
    assert 'class="warning">Gate overridden: wanted for a demonstration' in page
    panel = tracking.client().get_model_version_by_alias("hemo-panel", "production")
    assert "gate overridden" in present(panel.description)


def test_the_panel_shows_the_reason_of_the_newest_override(store):
    decide(case(store, "any", "good"))
    for reason in ("first", "second"):
        decide(case(store, "any", "better", sound=False), reason)
        assert panel.load().overridden == [f"any version 2 is in production against the gate: {reason}"]
        promotion.rollback("any")
    assert panel.load().overridden == []


def test_a_sound_candidate_that_is_not_better_becomes_challenger(store):
    decide(case(store, "any", "good"))
    assert decide(case(store, "any", "better", better=False)) == "challenger"
    assert aliases.current(ANY) == {"production": "1", "challenger": "2"}
    assert decide(case(store, "any", "better")) == "promoted"
    assert aliases.current(ANY) == {"production": "2", "previous": "1"}


def test_a_new_split_has_the_incumbent_evaluated_again_or_closes_the_gate(store, tmp_path):
    promote()
    train(experiment(), "any", table(5.0), classifier(), tmp_path / "n", split_digest="s2")
    train(experiment(), "epidural", table(5.0), classifier(), tmp_path / "m", split_digest="s2")
    decided = promote()
    assert decided.loc["any", "decision"] == "challenger"
    assert "cannot be compared" in decided.loc["any", "reason"]
    assert "no slice store" in decided.loc["any", "reason"]


def test_rollback_goes_back_and_forth_and_says_why(store):
    decide(case(store, "any", "good"))
    with pytest.raises(HemoError, match="nothing to go back to"):
        promotion.rollback("any")
    decide(case(store, "any", "better"))
    promotion.rollback("any", "too many calls at night")
    assert aliases.current(ANY) == {"production": "1", "previous": "2"}
    assert panel.members_of(aliases.current("hemo-panel")["production"]) == {"any": "1"}
    assert ledger.records(ANY)[-1].reason == "too many calls at night"
    promotion.rollback("any")
    assert aliases.current(ANY) == {"production": "2", "previous": "1"}
    assert [record.action for record in ledger.records(ANY)] == ["promote", "promote", "rollback", "rollback"]


def test_an_alias_moved_by_hand_is_found_shown_and_followed_by_the_panel(store):
    decide(case(store, "any", "good"))
    decide(case(store, "any", "better"))
    tracking.client().set_registered_model_alias(ANY, "production", "1")
    rows = in_production.rows()
    last = ledger.records(ANY)[-1]
    assert last.action == "by hand"
    assert "production moved from version 2 to 1" in last.reason
    assert aliases.current(ANY) == {"production": "1", "previous": "2"}
    assert panel.members_of(aliases.current("hemo-panel")["production"]) == {"any": "1"}
    assert any("put there by hand" in line for line in in_production.warnings(rows))


def test_a_deleted_production_version_is_found_and_rollback_still_works(store):
    decide(case(store, "any", "good"))
    decide(case(store, "any", "better"))
    tracking.client().delete_model_version(ANY, "2")
    rows = {row.label: row for row in in_production.rows()}
    assert rows["any"].version == ""
    assert "production (version 2) removed" in rows["any"].why
    promotion.rollback("any")
    assert aliases.current(ANY) == {"production": "1"}


def test_the_history_shows_that_a_record_was_removed_or_changed(store):
    decide(case(store, "any", "good"))
    decide(case(store, "any", "better"))
    records = ledger.records(ANY)
    assert chain.faults(records) == []
    assert chain.faults(records[1:]) == ["record 1 is missing or twice: the history is not complete"]
    tracking.client().delete_run(records[0].audit_id)
    assert chain.faults(ledger.records(ANY)) == []
    tracking.client().restore_run(records[0].audit_id)
    changed = json.loads(tracking.client().get_run(records[0].audit_id).data.tags["record"])
    tracking.client().set_tag(records[0].audit_id, "record", json.dumps(changed | {"reason": "x"}))
    assert chain.faults(ledger.records(ANY)) == ["record 1 was changed after it was written"]


def test_a_decision_under_way_elsewhere_is_not_disturbed(store):
    decide(case(store, "any", "good"))
    record = ledger.write(ANY, "rollback", {"production": "1"}, {"production": "1"}, ledger.records(ANY))
    tracking.client().set_tag(record.audit_id, "owner", "another-machine|1|1.0")
    with pytest.raises(HemoError, match="another rollback is under way"):
        aliases.settle(ANY)


def test_a_version_that_passes_the_gate_later_is_red_no_more(store):
    decide(case(store, "any", "good", sound=False), "for now")
    decide(case(store, "any", "better"))
    decide(case(store, "any", "good"))
    version = tracking.client().get_model_version_by_alias(ANY, "production")
    assert (str(version.version), version.tags["gate"]) == ("1", "promoted")
    assert "override" not in version.tags
    assert "![red](" not in present(version.description)


def test_of_two_decisions_at_the_same_time_none_is_made_on_what_is_no_longer_so(store, monkeypatch):
    decide(case(store, "any", "good"))
    decide(case(store, "any", "better"))
    stale = ledger.records(ANY)
    aliases.move(ANY, "rollback", {"production": "1", "previous": "2"}, stale)
    with pytest.raises(HemoError, match="at the same time"):
        aliases.move(ANY, "rollback", {"production": "1"}, stale)
    history = ledger.records(ANY)
    assert chain.faults(history) == []
    assert chain.replay(history) == aliases.current(ANY) == {"production": "1", "previous": "2"}


@pytest.mark.parametrize("gone", ["{}:1@0.00", "{}|1|0.00"], ids=["today", "as version 0.1 wrote it"])
def test_a_process_killed_beside_another_decision_leaves_nothing_behind(store, gone):
    decide(case(store, "any", "good"))
    stale = ledger.records(ANY)
    record = ledger.write(ANY, "rollback", {"production": "1"}, {}, stale[:-1])
    tracking.client().set_tag(record.audit_id, "owner", gone.format(socket.gethostname()))
    history = aliases.settle(ANY)
    assert [one.state for one in history] == ["done"]
    assert aliases.current(ANY) == {"production": "1"}


def test_a_decision_in_the_midst_of_another_is_taken_back_and_the_history_stays_whole(store, monkeypatch):
    """Another process had read the history while the first one's record was open: a false alarm for good."""
    decide(case(store, "any", "bad"))
    first, second = case(store, "any", "good"), case(store, "any", "better")
    apply, refused = aliases._apply, []

    def meanwhile(model, after):
        monkeypatch.setattr(aliases, "_apply", apply)
        with pytest.raises(HemoError, match="another decision was made at the same time"):
            promotion.decide(second, second.run.run_id, "")
        refused.append(True)
        apply(model, after)

    monkeypatch.setattr(aliases, "_apply", meanwhile)
    decide(first)
    assert refused == [True]
    assert chain.faults(ledger.records(ANY)) == []
    assert aliases.current(ANY) == {"production": "2", "previous": "1"}
    assert decide(case(store, "any", "better")) == "promoted"
    assert chain.faults(ledger.records(ANY)) == []


def test_two_promotions_at_once_make_one_version_one_panel_and_no_alarm(store):
    assert forked(*[lambda: promote(labels=["any"])] * 2) == [0, 0]
    assert sorted(aliases.versions(ANY)) == sorted(aliases.versions("hemo-panel")) == ["1"]
    assert [record.action for record in ledger.records(ANY)] == ["promote"]
    assert chain.faults(ledger.records(ANY)) == []


def test_what_was_decided_while_a_candidate_was_judged_is_heeded(store, monkeypatch):
    judge = promotion.judge

    def slowly(*words):
        judged = judge(*words)
        monkeypatch.setattr(promotion, "judge", judge)
        promotion.decide(case(store, "any"), store["any", "good"], "")  # another process, which was faster
        return judged

    monkeypatch.setattr(promotion, "judge", slowly)
    assert promote(labels=["any"]).loc["any", "decision"] == "kept"
    assert sorted(aliases.versions(ANY)) == ["1"]
