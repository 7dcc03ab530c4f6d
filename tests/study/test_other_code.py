"""Results of other code: which these are, what becomes of them, what a proof compares."""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
import torch
import yaml
from mlflow import MlflowClient

from analysis import trials as record_frames
from analysis.tables.code_remarks import code_remarks
from study.file.resolved import load_study
from study.launching.code_review import CodeReview, describe_failure, refusal_of
from study.record.code_history import CodeHistory
from study.record.opening import open_record
from study.scheduling.code_proof import (
    PROOF_EPOCHS,
    MetricDifference,
    TrainedSample,
    judge_sample,
)
from study.scheduling.code_rules import (
    OtherCodeTrial,
    TrialsElsewhere,
    decide_by_code,
    proof_groups,
    sort_by_code,
)
from study.scheduling.gpu_shares import GpuShares
from study.scheduling.nodes import ClusterNode
from study.scheduling.proof_scheduler import PREFIX, ProofScheduler
from study.scheduling.scheduler import StudyScheduler
from study.scheduling.study_trials import StudyTrials
from study.trials import RecordedTrial
from tests.source_tree import ROOT
from tests.study.sample import epochs_of
from trainables import datasets
from trainables.code_digest import trial_code
from trainables.metrics import EPOCH_METRICS, TrialSummary, summarise_trial

POINT = {"regularizer.beta": 0.3}
POINTS = [POINT, {"regularizer.beta": 0.6}]
ERRORS = (9.0, 7.0, 8.0, 6.0)


def planned(study, points=POINTS):
    return StudyTrials(study, lambda configuration: "feed").planned_trials(points)


def on_record(trial, *, code="old", proved="", outcome="completed", errors=ERRORS, **tags):
    """The trial as a run of it would be read."""
    epochs = epochs_of(errors)
    metrics = {**vars(epochs[-1]), **vars(summarise_trial(epochs))} if epochs else {}
    known = {"code": code, "code_proved": proved, "device": "cpu", **tags}
    status = {"completed": "FINISHED", "stopped_early": "FINISHED", "failed": "FAILED"}
    return RecordedTrial(
        run_id=f"run of {trial.key}",
        key=trial.key,
        status=status.get(outcome, "KILLED"),
        outcome=outcome,
        metrics=metrics,
        tags={**trial.tags, **{name: value for name, value in known.items() if value}},
    )


def decided(study, recorded, policy="check"):
    by_key = {each.key: each for each in recorded}
    return decide_by_code(study, lambda configuration: "feed", by_key, policy)


def keys(found):
    return {each.trial.key for each in found}


# Which trials are of other code


def test_a_trial_of_the_present_or_of_equal_code_is_not_of_other_code(make):
    study = make(seeds=2)
    one, two, three, four = planned(study)
    recorded = [
        on_record(one, code=one.code),
        on_record(two, code="old", proved=f"older, {two.code}"),
        on_record(three, code="old", proved="older"),
        on_record(four, code=""),
    ]
    decision = decided(study, recorded)
    assert keys(decision.found) == {three.key, four.key}
    assert {each.recorded.code for each in decision.found} == {"old", "not recorded"}


def test_trials_that_are_not_of_the_study_are_left_alone(make):
    study = make(seeds=1)
    (outside,) = planned(study, [{"regularizer.beta": 0.95}])
    (other_seed,) = [t for t in planned(make(seeds=[7]), [POINT])]
    decision = decided(make(seeds=1), [on_record(outside), on_record(other_seed)])
    assert decision.found == ()
    assert decision.superseded == ()


# What becomes of them


@pytest.mark.parametrize(
    ("policy", "to_prove", "kept", "superseded"),
    [
        ("check", {"done", "stopped", "cut"}, set(), {"failed", "begun"}),
        ("keep", set(), {"done", "stopped"}, {"cut", "failed", "begun"}),
        ("retrain", set(), set(), {"done", "stopped", "cut", "failed", "begun"}),
    ],
)
def test_each_policy_decides_on_each_kind_of_trial(make, policy, to_prove, kept, superseded):
    study = make(seeds=5)
    names = dict(
        zip(("done", "stopped", "cut", "failed", "begun"), planned(study, [POINT]), strict=True)
    )
    recorded = [
        on_record(names["done"]),
        on_record(names["stopped"], outcome="stopped_early", errors=ERRORS[:2]),
        on_record(names["cut"], outcome=None, errors=ERRORS[:1]),
        on_record(names["failed"], outcome="failed"),
        on_record(names["begun"], outcome=None, errors=()),
    ]
    decision = decided(study, recorded, policy)
    for found, wanted in (
        (decision.to_prove, to_prove),
        (decision.kept, kept),
        (decision.superseded, superseded),
    ):
        assert keys(found) == {names[name].key for name in wanted}
    left = decision.remaining({each.key: each for each in recorded})
    assert left.keys() == {t.key for name, t in names.items() if name not in superseded}


def test_one_proof_decides_on_one_cost_class_one_code_and_one_device(make):
    study = make(seeds=1, space={"regularizer": [{"name": "lamix"}, {"name": "vanilla"}]})
    lamix, vanilla = planned(study, [{"regularizer": "lamix"}, {"regularizer": "vanilla"}])
    found = [
        OtherCodeTrial(trial, on_record(trial, code=code, device=device))
        for trial in (lamix, vanilla)
        for code, device in (("old", "cpu"), ("older", "cpu"), ("old", "gpu"))
    ]
    groups = proof_groups([*found, *found])
    assert [len(group.trials) for group in groups] == [2] * 6


def test_a_proof_trains_a_result_of_the_study_itself_where_there_is_one(make):
    one, two, three = planned(make(seeds=3), [POINT])
    found = [
        OtherCodeTrial(one, on_record(one), own=False),
        OtherCodeTrial(two, on_record(two, outcome=None)),
        OtherCodeTrial(three, on_record(three)),
    ]
    (group,) = proof_groups(found)
    assert group.sample.trial is three
    assert keys(group.own) == {two.key, three.key}


def test_one_proof_serves_every_beta_and_seed(make):
    trials = planned(make(seeds=2))
    (group,) = proof_groups(OtherCodeTrial(trial, on_record(trial)) for trial in trials)
    assert len(group.trials) == 4


def test_the_schedule_of_each_trial_of_a_group_is_worked_out_again(make):
    study = make(seeds=1, epochs=4, space={"training.schedule": ["steps", "cosine"]})
    trials = planned(study, [{"training.schedule": name} for name in ("steps", "cosine")])
    (group,) = proof_groups(OtherCodeTrial(trial, on_record(trial)) for trial in trials)
    verdict = judge_sample(group, history(), trained())
    cosine = trials[1].configuration.training.learning_rate_at(4)
    assert verdict.difference == MetricDifference("learning_rate", 4, 0.1, cosine)


# What other studies have finished


def test_a_run_of_present_code_is_adopted_though_one_of_other_code_is_there_too(make):
    one, two, three = planned(make(seeds=3), [POINT])
    finished = {
        one.key: [on_record(one), on_record(one, code=one.code)],
        two.key: [on_record(two)],
    }
    found = sort_by_code([one, two, three], finished, lambda run: True)
    assert found.adoptable == {one.key: finished[one.key][1]}
    assert keys(found.other_code) == {two.key}
    assert not found.other_code[0].own


# What a proof compares


def history(errors=ERRORS):
    return {
        epoch.epoch: {
            name: value
            for name, value in vars(epoch).items()
            if name != "epoch" and value is not None
        }
        for epoch in epochs_of(errors)
    }


@pytest.fixture
def group(make):
    trial, *_ = planned(make(seeds=1, epochs=4), [POINT])
    trial.configuration = dataclasses.replace(
        trial.configuration,
        training=dataclasses.replace(trial.configuration.training, learning_rate=0.1),
    )
    (group,) = proof_groups([OtherCodeTrial(trial, on_record(trial))])
    return group


def trained(**changes):
    """What two epochs came to, the last one changed."""
    first, last = epochs_of(ERRORS)[:2]
    return TrainedSample((first, dataclasses.replace(last, **changes)), "cpu", "fp32")


def test_equal_metrics_prove_the_code_equal(group):
    verdict = judge_sample(group, history(), trained())
    assert verdict.holds
    assert verdict.epochs == (1, 2)
    assert {"train_loss", "test_error", "validation_brier"} <= set(verdict.metrics)
    assert not {"epoch_seconds", "peak_memory_mb", "images_per_second"} & set(verdict.metrics)


def test_seconds_and_memory_may_differ(group):
    sample = trained(epoch_seconds=99.0, peak_memory_mb=1.0, images_per_second=2.0)
    assert judge_sample(group, history(), sample).holds


@pytest.mark.parametrize("metric", ["train_loss", "test_error", "validation_confidence"])
def test_the_last_bit_of_a_metric_refutes(group, metric):
    before = history()[2][metric]
    now = math.nextafter(before, math.inf)
    verdict = judge_sample(group, history(), trained(**{metric: now}))
    assert not verdict.holds
    assert verdict.difference == MetricDifference(metric, 2, before, now)
    assert repr(now) in str(verdict.difference) and repr(before) in str(verdict.difference)


def test_the_first_difference_is_the_one_that_is_named(group):
    first, last = (dataclasses.replace(e, test_error=50.0) for e in epochs_of(ERRORS)[:2])
    verdict = judge_sample(group, history(), TrainedSample((first, last), "cpu"))
    assert (verdict.difference.metric, verdict.difference.epoch) == ("test_error", 1)


def test_what_an_older_version_did_not_measure_is_not_compared(group):
    recorded = history()
    for epoch in recorded.values():
        del epoch["test_brier"]
    verdict = judge_sample(group, recorded, trained(test_brier=1.5))
    assert verdict.holds
    assert "test_brier" not in verdict.metrics


def test_a_metric_that_is_no_longer_measured_refutes(group):
    verdict = judge_sample(group, history(), trained(test_brier=None))
    assert verdict.difference == MetricDifference("test_brier", 2, history()[2]["test_brier"], None)


def test_a_loss_that_is_no_number_equals_itself(group):
    recorded = history()
    recorded[2]["train_loss"] = math.nan
    assert judge_sample(group, recorded, trained(train_loss=math.nan)).holds


def test_a_learning_rate_of_a_later_epoch_refutes_without_training(group):
    recorded = history()
    recorded[4]["learning_rate"] = 0.01
    verdict = judge_sample(group, recorded, trained())
    assert verdict.difference == MetricDifference("learning_rate", 4, 0.01, 0.1)


@pytest.mark.parametrize("name", list(TrialSummary.__annotations__))
def test_a_final_figure_that_is_worked_out_otherwise_now_refutes(group, name):
    changed = dataclasses.replace(
        group.sample.recorded, metrics={**group.sample.recorded.metrics, name: 1.25}
    )
    (changed_group,) = proof_groups([OtherCodeTrial(group.sample.trial, changed)])
    verdict = judge_sample(changed_group, history(), trained())
    assert (verdict.difference.metric, verdict.difference.epoch) == (name, None)


def test_nothing_to_compare_proves_nothing(group):
    assert not judge_sample(group, {}, trained()).holds
    assert not judge_sample(group, history(), TrainedSample()).holds
    assert not judge_sample(group, history(), TrainedSample(failure="OSError: disk")).holds


def test_a_refusal_names_the_metric_both_values_the_devices_and_both_ways_out(group):
    sample = dataclasses.replace(trained(train_loss=3.5), device="another")
    text = refusal_of([judge_sample(group, history(), sample)])
    assert "train_loss of epoch 2 is 3.5, on record it is 0.7" in text
    assert "from cpu, and two devices need not agree" in text
    assert "--code keep keeps 1 trial as" in text and "--code retrain" in text
    failed = judge_sample(group, history(), TrainedSample(failure="OSError: disk"))
    assert "cannot be trained anew: OSError: disk" in describe_failure(failed)


@pytest.mark.parametrize("compiled", [True, False, None])
def test_a_refusal_says_where_one_of_the_two_was_compiled(make, compiled):
    trial, *_ = planned(make(seeds=1, epochs=4), [POINT])
    (group,) = proof_groups([OtherCodeTrial(trial, on_record(trial, compiled="true"))])
    sample = dataclasses.replace(trained(train_loss=3.5), compiled=compiled)
    said = describe_failure(judge_sample(group, history(), sample))
    told = "(compiled: false, there true, which rounds differently)"
    assert (told in said) is (compiled is False)


def test_compiled_trials_are_proven_by_a_compiled_one(make):
    trials = planned(make(seeds=3, epochs=4), [POINT])
    tags = ({"compiled": "true"}, {"compiled": "false"}, {})
    found = [
        OtherCodeTrial(trial, on_record(trial, **said))
        for trial, said in zip(trials, tags, strict=True)
    ]
    assert len(proof_groups(found)) == 3
    assert len({each.proof_key for each in found}) == 3


# The trials that a proof trains


@pytest.fixture
def proving(make):
    def proving(**options):
        study = make(**{"seeds": 2, "epochs": 4, **options})
        trials = planned(study, [POINT])
        return ProofScheduler(study, GpuShares(study.resources), trials), trials

    return proving


def test_a_proof_trains_copies_under_keys_of_their_own(proving):
    scheduler, trials = proving()
    handed = [scheduler.hand_out_trial() for _ in trials]
    assert scheduler.hand_out_trial() is None
    assert [copy.key for copy in handed] == [f"{PREFIX}{trial.key}" for trial in trials]
    assert {trial.state for trial in trials} == {"todo"}


def test_a_proof_stops_after_its_epochs(proving):
    scheduler, _ = proving()
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    epochs = epochs_of(ERRORS)
    assert not scheduler.note_epochs(trial, epochs[:1], device="cpu")
    assert scheduler.note_epochs(trial, epochs[1:], device="cpu")  # short epochs come together
    scheduler.note_completed(trial)
    (sample,) = scheduler.samples.values()
    assert [epoch.epoch for epoch in sample.epochs] == list(range(1, PROOF_EPOCHS + 1))
    assert not scheduler.is_finished
    other = scheduler.hand_out_trial()
    for _ in range(3):
        scheduler.note_failed(other, "Traceback\nOSError: no data")
        other = scheduler.hand_out_trial() or other
    assert scheduler.is_finished
    assert scheduler.samples[other.key.removeprefix(PREFIX)].failure == "OSError: no data"


# On record


@pytest.fixture
def opened(make, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    records = []

    def opened(**options):
        study = make(**{"seeds": 1, "epochs": 4, **options})
        records.append(open_record(study, tmp_path / f"records{len(records)}.jsonl"))
        return records[-1]

    yield opened
    for record in records:
        record.close(timeout=0)


def write(record, trial, *, code=None, errors=ERRORS):
    epochs = epochs_of(errors)
    tags = {**trial.tags, **({"code": code} if code else {})}
    record.begin(trial.key, name=trial.name, params={"seed": trial.seed}, tags=tags)
    record.add_epochs(trial.key, epochs, device="cpu")
    record.end(trial.key, "completed", summarise_trial(epochs))
    assert record.spool.drain(20)
    assert record.spool.refused == []


def reviewed(record, policy):
    recorded = record.trials()
    decision = decide_by_code(record.study, lambda c: "feed", recorded, policy)
    return CodeReview(decision, TrialsElsewhere(), CodeHistory(record))


def test_a_record_of_before_and_one_that_is_proven_are_told_apart_on_mlflow(opened):
    record = opened(seeds=2)
    one, two = planned(record.study, [POINT])
    write(record, one)
    write(record, two, code=two.code)
    review = reviewed(record, "check")
    assert keys(review.decision.found) == {one.key}
    (said, proof) = review.sentences()
    assert said.startswith("1 result on record of other code (digest not recorded, now")
    assert "the code that computed them is not on record" in said
    assert "bit by bit" in proof

    (group,) = review.groups
    recorded = review.history.epochs_of(group.sample.recorded)
    assert sorted(recorded) == [1, 2, 3, 4]
    assert recorded[2]["validation_error"] == 7.0
    sample = TrainedSample(epochs_of(ERRORS)[:2], "cpu", "fp32")
    verdict = judge_sample(group, recorded, sample)
    assert verdict.holds
    scheduler = StudyScheduler(
        record.study, SimpleNamespace(), record, data_of=lambda c: "feed", provenance={}
    )
    review.take_verdicts([verdict], scheduler)
    record.study_writer.begin_study(
        {}, {**review.digest_texts([one.configuration]), **review.proof_texts()}
    )
    record.tag_trials(review.tags())
    assert record.spool.drain(20)
    assert record.trials()[one.key].codes == {"not recorded", one.code}
    assert reviewed(record, "check").decision.found == ()
    (kept,) = CodeHistory(record).proofs()
    assert (kept["before"], kept["now"]) == ("not recorded", one.code)
    assert kept["epochs"] == [1, 2] and kept["trial"] == one.key


def test_what_changed_is_told_by_module_and_function(opened):
    record = opened()
    (trial,) = planned(record.study, [POINT])
    code = trial_code(trial.configuration)
    module = "trainables.targets"
    old = dataclasses.replace(
        code,
        modules={**code.modules, module: "0" * 16},
        parts={**code.parts, module: {**code.parts[module], "smooth_one_hot": "0" * 8}},
    )
    write(record, trial, code=old.digest)
    texts = {"provenance/code.json": CodeHistory(record).code_text([old], [old.digest])}
    record.study_writer.begin_study({}, texts)
    (said, _) = reviewed(record, "check").sentences()
    assert "trainables.targets changed (smooth_one_hot)" in said


def test_a_wall_of_changes_is_told_in_a_few_names_once_and_whole_in_the_log(opened, caplog):
    record = opened(seeds=2)
    trials = planned(record.study, [POINT])
    code = trial_code(trials[0].configuration)
    names = sorted(name for name in code.parts if len(code.parts[name]) > 5)[:8]
    digests = []
    for number, trial in enumerate(trials):  # two digests, which differ in the same
        old = dataclasses.replace(
            code,
            modules={**code.modules, **dict.fromkeys(names, f"{number}" * 16)},
            parts={**code.parts, **{n: dict.fromkeys(code.parts[n], "0" * 8) for n in names}},
        )
        write(record, trial, code=old.digest)
        digests.append(old.digest)
        texts = {"provenance/code.json": CodeHistory(record).code_text([old], digests)}
        record.study_writer.begin_study({}, texts)
    review = reviewed(record, "check")
    review.log_file = Path("state/log.txt")
    said = review.sentences()
    text = "\n".join(said)
    assert "8 modules changed, are new or gone" in text and "; and 3 more modules" in text
    assert text.count(f"{names[0]} changed (") == 1 and names[5] not in text
    assert all(len(sentence) < 1000 for sentence in said)
    listed = text.partition(f"{names[0]} changed (")[2].partition(")")[0]
    assert listed.count(",") == 3 and listed.rpartition(", ")[2].startswith("and ")
    assert "The whole list of what changed stands in state/log.txt." in said
    assert all(name in caplog.text for name in names)
    assert all(part in caplog.text for part in code.parts[names[-1]])


def test_a_superseded_run_is_history_and_the_trial_gets_a_new_one(opened):
    record = opened()
    (trial,) = planned(record.study, [POINT])
    write(record, trial, code="old")
    before = record.trials()[trial.key].run_id
    review = reviewed(record, "retrain")
    for _ in range(2):  # a second writing takes nothing more away
        record.supersede(review.superseded_runs())
        assert record.spool.drain(20)
    assert record.trials() == {}
    write(record, trial, code=trial.code, errors=[5.0] * 4)
    record.supersede(review.superseded_runs())
    assert record.spool.drain(20)
    after = record.trials()[trial.key]
    assert after.run_id != before
    assert after.metrics["test_error_last"] == 6.0
    client = MlflowClient()
    assert len(client.get_metric_history(after.run_id, "train_loss")) == 4
    assert len(client.get_metric_history(before, "train_loss")) == 4
    frame = record_frames.load("sample", "quick")
    assert list(frame["run_id"]) == [after.run_id]
    assert set(record_frames.load("sample", "quick", retired=True)["run_id"]) == {
        before,
        after.run_id,
    }


def test_a_superseded_run_is_not_adopted(opened):
    record = opened()
    (trial,) = planned(record.study, [POINT])
    write(record, trial, code=trial.code)
    other = opened(name="other")
    assert other.finished_elsewhere(trial.key) is not None
    record.supersede({trial.key: record.trials()[trial.key].run_id})
    assert record.spool.drain(20)
    assert other.finished_elsewhere(trial.key) is None


def test_a_kept_trial_is_marked_until_its_code_is_the_present_again(opened):
    record = opened()
    (trial,) = planned(record.study, [POINT])
    write(record, trial, code="old")
    record.tag_trials(reviewed(record, "keep").tags())
    assert record.spool.drain(20)
    frame = record_frames.load("sample", "quick")
    assert list(frame["code"]) == ["old"]
    assert list(frame["code_kept"]) == [trial.code]
    record.tag_trials({trial.key: {"code": trial.code}})
    assert record.spool.drain(20)
    review = reviewed(record, "check")
    assert review.decision.found == ()
    record.tag_trials(review.tags())
    assert record.spool.drain(20)
    assert record_frames.load("sample", "quick")["code_kept"].iloc[0] == ""


def test_the_file_of_digests_forgets_what_no_trial_needs(opened):
    record = opened()
    (trial,) = planned(record.study, [POINT])
    code = trial_code(trial.configuration)
    old = dataclasses.replace(code, versions={"torch": "1"})
    kept = CodeHistory(record)
    assert old.digest in kept.code_text([old], [])
    assert old.digest in kept.code_text([code], [old.digest])
    assert old.digest not in kept.code_text([code], [code.digest])


def test_every_deterministic_metric_is_compared():
    from study.scheduling.code_proof import COMPARED

    left = set(EPOCH_METRICS) - set(COMPARED)
    assert left == {"epoch", "epoch_seconds", "images_per_second", "peak_memory_mb"}


def test_a_table_names_the_trials_that_were_kept_and_their_digests():
    frame = pd.DataFrame({"code": ["a", None, "b"], "code_kept": ["b", "b", ""]})
    (said,) = code_remarks(frame)
    assert said.startswith("2 trials were computed by other code (digest a, not recorded) and kept")
    assert code_remarks(frame.assign(code_kept=None)) == []
    assert code_remarks(frame.drop(columns="code_kept")) == []


PAPER_STUDIES = [
    file
    for file in sorted((ROOT / "search_spaces").rglob("*.yaml"))
    if "paper" in yaml.safe_load(file.read_text()).get("scales", {})
]


@pytest.mark.parametrize("file", PAPER_STUDIES, ids=lambda file: file.stem)
def test_a_proof_takes_at_most_two_percent_of_a_study_at_its_paper_scale(file):
    """By arithmetic, of the epochs: at worst each configuration is a kind of its own."""
    study = load_study(file, scale="paper")
    shortest = min(configuration.training.epochs for configuration in study.extremes())
    assert PROOF_EPOCHS / (len(study.search.seed_list) * shortest) <= 0.02


def test_a_proof_goes_through_the_runner_and_the_actor_that_train_all_trials(make, tmp_path):
    from study.execution.runner import TrialRunner
    from trainables.trainable import TrialTrainable

    dataset = {"name": "digits", "validation": 0.2, "train_images": 60, "test_images": 40}
    study = make(seeds=1, epochs=3, trial={"dataset": dataset})
    data = datasets.load(study.extremes()[0].dataset, tmp_path).fingerprint
    (trial,) = StudyTrials(study, lambda c: data).planned_trials([POINT])
    scheduler = ProofScheduler(study, GpuShares(study.resources), [trial])
    discarded: list[str] = []
    node = ClusterNode(id="node", host="here", cpus=2, gpus=0)
    admission = SimpleNamespace(
        cluster=SimpleNamespace(existing=False),
        question=SimpleNamespace(data=tmp_path, checkpoints=str(tmp_path / "checkpoints")),
        unfit=set(),
        lost=set(),
        follow_nodes=lambda: ([node], []),
        node_name=lambda id: id,
    )
    runner = TrialRunner(
        scheduler,
        admission,
        scratch=str(tmp_path),
        granted_mb=None,
        discard=discarded.append,
        on_change=lambda: None,
        on_notice=lambda text: None,
    )
    actor = TrialTrainable(runner.hand_out_config("tune"))
    runner.note_started("tune")
    word = "CONTINUE"
    while word != "STOP":
        result = actor.step()
        word = runner.note_result("tune", result)
    runner.note_ended("tune", result)
    assert scheduler.is_finished and not scheduler.active
    assert discarded == [f"{PREFIX}{trial.key}"]
    recorded = {e["epoch"]: {n: v for n, v in e.items() if v is not None} for e in result["epochs"]}
    (group,) = proof_groups([OtherCodeTrial(trial, on_record(trial, outcome=None))])
    verdict = judge_sample(group, recorded, scheduler.samples[trial.key])
    assert verdict.holds and verdict.epochs == (1, 2)
    torch.use_deterministic_algorithms(False)
