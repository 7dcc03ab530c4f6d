"""The keys that say how much evidence a study needs."""

from pathlib import Path

import pydantic
import pytest
import yaml

from study.file.evidence import AblationPlan, LaunchBudget, SearchUntil, SeedRace, parse_hours
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from tests.study.sample import study_data
from trainables.settings import parse_settings


@pytest.fixture
def refused(tmp_path):
    def refused(*flags):
        file = tmp_path / "sample.yaml"
        file.write_text(yaml.safe_dump(study_data(), sort_keys=False))
        with pytest.raises(StudyFileError) as error:
            load_study(file, overrides=flags)
        (problem,) = error.value.problems
        return f"{problem.path}: {problem.rule}"

    return refused


def test_a_race_looks_at_half_as_many_seeds_again_unless_it_is_told():
    assert SeedRace().schedule == (3, 5, 8, 12, 15)
    assert SeedRace(first=2, most=4).schedule == (2, 3, 4)
    assert SeedRace(first=5, most=5).schedule == (5,)
    assert SeedRace(looks=(3, 5, 9)).schedule == (3, 5, 9)
    assert SeedRace(first=3, most=9, looks=(3, 5, 9)).schedule == (3, 5, 9)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("search.seeds={looks: [5, 3]}", "search.seeds: `looks` must rise, but got [5, 3]"),
        ("search.seeds={looks: [3, 3]}", "search.seeds: `looks` must rise, but got [3, 3]"),
        ("search.seeds={looks: []}", "search.seeds.looks: must not be empty"),
        ("search.seeds={looks: [1, 3]}", "search.seeds: `looks` must be from 2 to 1,000 seeds"),
        ("search.seeds={first: 9, most: 5}", "search.seeds: `first` must be at most `most`, 5"),
        ("search.seeds={first: 20}", "search.seeds: `first` must be at most `most`, 15"),
        ("search.seeds={first: 2, looks: [3, 5]}", "`first` must be the first look, 3, but got 2"),
        ("search.seeds={most: 9, looks: [3, 5]}", "`most` must be the last look, 5, but got 9"),
        ("search.seeds={most: 5000}", "search.seeds.most: must be at most 1,000"),
        ("search.seeds={margin: -1}", "search.seeds.margin: must be at least 0, but got `-1`"),
        ("search.seeds={decide: bst}", "search.seeds.decide: must be 'best', but got `bst`"),
        ("search.seeds={decide: {against: {}}}", "search.seeds.decide.against: must not be empty"),
        (
            "search.seeds={decide: {against: {regularizer.bta: 0.5}}}",
            "search.seeds.decide.against.regularizer.bta: is not searched; searched are",
        ),
        (
            "search.seeds={decide: {against: {regularizer.beta: 0.95}}}",
            "search.seeds.decide.against.regularizer.beta: must be from 0.1 to 0.9",
        ),
        (
            "search.seeds={frist: 3}",
            "search.seeds.frist: there is no setting `frist`; known: first",
        ),
        ("search.configurations={until: settled}", "search.configurations.most: is required"),
        ("search.configurations={most: 0}", "search.configurations.most: must be at least 1"),
        ("budget={}", "budget: needs one of hours, gpu_hours, trials or failures"),
        ("budget={hours: 0}", "budget.hours: must be above 0, but got `0`"),
        ("budget={hours: -2h}", "budget.hours: must be hours, as in 8, 8h, 90min or 2d, but got"),
        ("budget={hours: 8 parsecs}", "budget.hours: must be hours, as in 8, 8h, 90min or 2d"),
        ("budget={gpu_hours: true}", "budget.gpu_hours: must be hours, as in 8, 8h, 90min or 2d"),
        ("budget={trials: 0}", "budget.trials: must be at least 1, but got `0`"),
        ("budget={hour: 3}", "budget.hour: there is no setting `hour`; known: hours, gpu_hours"),
        ("ablate={to: {a: 1}, parts: [a]}", "ablate.from: is required"),
        ("ablate={from: {}, to: {a: 1}, parts: []}", "ablate.parts: must not be empty"),
        ("ablate={from: {}, to: {a: 1}, parts: [a, a]}", "ablate: `parts` must be distinct"),
        (
            "ablate={from: {}, to: {a: 1}, parts: [a], design: one_way}",
            "ablate.design: must be 'one_out', 'one_in', 'path', 'factorial' or 'fraction'",
        ),
        ("claims=missing.csv", "claims: there is no file `missing.csv`"),
        ("plugins=mine", "plugins: must be a list, but got `mine`"),
        ("plugins=[3]", "plugins[0]: must be text, but got `3`"),
    ],
)
def test_a_wrong_one_is_refused_in_words(refused, flag, said):
    assert said.replace("'", "") in refused(flag).replace("'", "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("search.objective=[validation_error, epoch_seconds]",),
            "search.seeds: a race decides by one objective, but there are several",
        ),
        (
            ("search.objective=train_loss",),
            "search.seeds: a race cannot decide by train_loss",
        ),
    ],
)
def test_a_race_that_cannot_decide_is_refused_in_words(refused, flags, said):
    assert said in refused("search.seeds={first: 3}", *flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("search.objective=[validation_error, epoch_seconds]",), "gain in one objective, but"),
        (("search.objective=train_loss",), "train_loss selects nothing; give a number"),
        (("search.seeds=1",), "against the noise over seeds, but there is one seed"),
        (
            ("search.constraints=[{metric: epoch_seconds, at_most: 2}]",),
            "bounds the gain without constraints, but there are some",
        ),
    ],
)
def test_a_search_that_cannot_settle_is_refused_in_words(refused, flags, said):
    told = refused("search.configurations={most: 100, until: settled}", *flags)
    assert told.startswith("search.configurations: `until: settled` ") and said in told


def test_a_grid_does_not_settle(refused):
    told = refused(
        "search.configurations={most: 100, until: settled}",
        "search.sampler=grid",
        "search.space={regularizer.beta: [0.1, 0.9]}",
    )
    assert told == "search.configurations: a grid takes every point once; leave it out"


def test_hours_are_written_with_or_without_a_unit():
    assert [parse_hours(text) for text in (8, 0.5, "8h", "90min", "2d", "1.5h")] == [
        8,
        0.5,
        8.0,
        1.5,
        48.0,
        1.5,
    ]
    assert LaunchBudget(hours="90min").hours == 1.5
    with pytest.raises(pydantic.ValidationError):
        LaunchBudget(hours="90 minutes")


def test_plain_data_becomes_typed_settings():
    assert parse_settings(SearchUntil, {"most": 9}).until == "settled"
    ablation = parse_settings(AblationPlan, {"from": {}, "to": {"a": 1}, "parts": ["a"]})
    assert (ablation.start, ablation.design) == ({}, "one_out")


def test_published_cells_are_read_with_the_study(tmp_path, capsys):
    (tmp_path / "table.csv").write_text(
        "dataset,network,method,metric,mean,spread,runs,source,match\n"
        "digits,lenet,Mixup,test_error_last,4.2,0.2,5,Some 2020,regularizer.name = mixup\n"
    )
    file = tmp_path / "mine.yaml"
    text = (Path(__file__).parents[2] / "search_spaces" / "beta.yaml").read_text()
    file.write_text(f"{text}\nclaims: table.csv\n")
    study = load_study(file, scale="quick")
    assert [cell.method for cell in study.claims] == ["Mixup"]
    held = study.as_dict()["claims"]
    assert held["file"] == "table.csv" and held["cells"][0]["mean"] == 4.2
    (tmp_path / "table.csv").write_text("dataset,network\n")
    with pytest.raises(StudyFileError, match="claims: `table.csv`: its first line lacks method"):
        load_study(file, scale="quick")
    file.write_text(f"{text}\nclaims: cutmix\n")
    assert len(load_study(file, scale="quick").claims) == 14
    file.write_text(f"{text}\nclaims: cutmx\n")
    with pytest.raises(StudyFileError, match="shipped are cutmix, lamix, manifold_mixup, mixup"):
        load_study(file, scale="quick")
