"""Ablations: the configurations of a design, and the effects of its parts."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis.tables.part_effects import effect_grid, effects_of
from analysis.tables.rendering import to_text
from study.file.points import grid_points
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from tests.study.sample import study_data
from tests.study.test_reconcile import Lab
from trainables.trial_key import hash_configuration

TABLES = Path(__file__).resolve().parents[2] / "search_spaces" / "paper"
PARTS = ["regularizer.beta", "regularizer.original_batches", "regularizer.global_label"]
FROM = {
    "regularizer.beta": 1.0,
    "regularizer.original_batches": False,
    "regularizer.global_label": "uniform",
}
TO = {
    "regularizer.beta": 0.5,
    "regularizer.original_batches": True,
    "regularizer.global_label": "learned",
}


@pytest.fixture
def ablation(tmp_path):
    """Load a study with an ablation in place of its space."""

    def ablation(*, seeds=2, search=None, **plan):
        data = study_data(sampler="grid", seeds=seeds)
        data["search"] = {"seeds": seeds, **(search or {})}
        given = {"from": FROM, "to": TO, "parts": PARTS, "design": "one_out", **plan}
        data["ablate"] = given
        file = tmp_path / "sample.yaml"
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        return load_study(file)

    return ablation


@pytest.fixture
def lab(ablation, storage):
    return Lab(ablation, storage)


def parts_on(points):
    """Which parts each point has on, as one letter each."""
    return ["".join("bog"[i] for i, p in enumerate(PARTS) if x[p] == TO[p]) for x in points]


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("one_out", ["bog", "og", "bg", "bo"]),
        ("one_in", ["", "b", "o", "g"]),
        ("path", ["", "b", "bo", "bog"]),
        ("factorial", ["", "g", "o", "og", "b", "bg", "bo", "bog"]),
    ],
)
def test_the_configurations_are_those_of_the_design_in_its_order(lab, design, expected):
    scheduler = lab.launch(design=design)
    order = lab.finish(lambda trial: 5.0)
    assert scheduler.is_finished
    assert parts_on(lab.points()) == expected
    assert len(order) == 2 * len(expected)


def test_half_a_factorial_has_half_of_its_configurations(lab):
    lab.launch(design="fraction")
    lab.finish(lambda trial: 5.0)
    assert len(lab.points()) == 4
    assert "bog" in parts_on(lab.points())


def test_a_part_may_group_several_settings(ablation):
    study = ablation(parts=["regularizer"])
    assert [point["regularizer.beta"] for point in study.design] == [0.5, 1.0]
    assert parts_on(study.design) == ["bog", ""]


ONE_PART = {
    "from": {"regularizer.global_label": ["none", "uniform"]},
    "to": {"regularizer.global_label": "learned"},
    "parts": ["regularizer.global_label"],
}
SPACE = {"dataset.train_images": [60, 80], "network": [{"name": "lenet"}]}


def test_alternatives_to_a_part_are_a_configuration_each(ablation):
    labels = [point["regularizer.global_label"] for point in ablation(**ONE_PART).design]
    assert labels == ["learned", "none", "uniform"]


def test_the_space_beside_an_ablation_is_crossed_with_it(lab):
    lab.launch(search={"space": SPACE}, **ONE_PART)
    lab.finish(lambda trial: 5.0)
    found = [(p["dataset.train_images"], p["regularizer.global_label"]) for p in lab.points()]
    assert found == [(n, label) for n in (60, 80) for label in ("learned", "none", "uniform")]


@pytest.mark.parametrize("scale", ["quick", "day", "paper"])
@pytest.mark.parametrize(("table", "setting", "values"), [
    ("table7", "original_batches", (True, False)),
    ("table8", "global_label", ("learned", "none", "uniform")),
])  # fmt: skip
def test_the_papers_ablations_have_the_trials_of_their_former_grids(
    tmp_path, table, setting, values, scale
):
    data = yaml.safe_load((TABLES / f"{table}.yaml").read_text())
    del data["ablate"], data["trial"]["regularizer"]
    methods = [{"name": "lamix", setting: value} for value in values[1:]]
    data["search"]["sampler"] = "grid"
    data["search"]["space"]["regularizer"] = [{"name": "lamix"}, *methods]
    former = tmp_path / "former.yaml"
    former.write_text(yaml.safe_dump(data, sort_keys=False))
    before, now = (trial_keys(file, scale) for file in (former, TABLES / f"{table}.yaml"))
    assert before == now and len(set(now)) == len(now)


def trial_keys(file, scale):
    """The keys of all trials of a study, in the order of its grid or design."""
    study = load_study(file, scale=scale)
    points = study.design or grid_points(study.space)
    return [
        hash_configuration(study.configuration(point), data="the same", seed=seed)
        for point in points
        for seed in study.search.seed_list
    ]


def test_another_design_keeps_what_it_shares_and_retires_the_rest(lab):
    lab.launch(design="factorial")
    lab.finish(lambda trial: 5.0)
    lab.launch(design="one_out")
    assert lab.finish(lambda trial: 5.0) == []
    assert sorted(parts_on(lab.points())) == ["bg", "bo", "bog", "og"]
    assert len(lab.found.retired) == 8


def test_an_ablation_may_race(lab):
    scheduler = lab.launch(seeds={"looks": [3, 5]})
    lab.finish(lambda t: 10.0 + 5 * t.number + 0.1 * t.seed + 0.01 * (t.seed * t.number % 3))
    assert scheduler.looks.race.decision.verdict == "best"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"search": {"space": {"regularizer.beta": [0.5]}}},
            "search.space: `regularizer.beta` fol",
        ),
        ({"search": {"configurations": 8}}, "search.configurations: follows from `ablate`"),
        ({"parts": [*PARTS, "training.momentum"]}, "`training.momentum` has no path in `to`"),
        ({"parts": PARTS[:2]}, "ablate.to.regularizer.global_label: must belong to one of `parts`"),
        ({"from": {**FROM, "training.momentum": 0.5}}, "needs its value in `ablate.to` too"),
        ({"to": {**TO, "regularizer.beta": 1.0}}, "changes nothing: it is `1.0` in `from` too"),
        ({"to": {**TO, "regularizer.beta": [0.1, 0.2]}}, "must be a single value, but got"),
        ({"to": {**TO, "regularizer.beta": 1.5}}, "ablate.to.regularizer.beta: must be"),
        (
            {"from": {**FROM, "regularizer.beta": [1.0, 0.9]}, "design": "path"},
            "ablate.from.regularizer.beta: alternatives are compared one by one, which needs",
        ),
        (
            {"from": {**FROM, "regularizer.beta": [1.0, 0.9]}, "parts": ["regularizer"]},
            "alternatives need a part of their own, but its part has other paths too",
        ),
        ({"from": {**FROM, "regularizer.beta": []}}, "must be a single value or a list of them"),
        ({"from": {**FROM, "regularizer.beta": [1.0, 1.0]}}, "alternatives must be distinct"),
        ({"from": {**FROM, "regularizer.beta": [1.0, 0.5]}}, "changes nothing: it is `0.5`"),
        ({"from": {**FROM, "regularizer.beta": [1.0, 1.5]}}, "ablate.to.regularizer.beta: must be"),
        (
            {"search": {"space": {"training.momentum": {"low": 0.1, "high": 0.9}}}},
            "search.space.training.momentum: a grid needs a `step` or a list of values",
        ),
        (
            {"parts": ["regularizer"], "design": "fraction"},
            "ablate.parts: no 2^(1 − 1) fraction keeps the parts apart",
        ),
    ],
)
def test_a_wrong_ablation_is_refused_in_words(ablation, change, said):
    with pytest.raises(StudyFileError) as error:
        ablation(**change)
    told = [f"{problem.path}: {problem.rule}" for problem in error.value.problems]
    assert any(said in text for text in told), told


# Effects


def frame_of(study, error_of):
    return pd.DataFrame(
        {
            **point,
            "seed": seed,
            "outcome": "completed",
            "test_error_last": error_of(point, seed),
        }
        for point in study.design
        for seed in range(3)
    )


def error_of(point, seed):
    """β = .5 takes 2 points away, original batches 1, the two together one more."""
    beta, batches, _ = (point[path] == TO[path] for path in PARTS)
    return 20.0 - 2 * beta - batches - (beta and batches) + 0.3 * seed


def test_the_effects_are_those_of_the_parts(ablation):
    study = ablation()
    effects = effects_of(frame_of(study, error_of), study.as_dict())[0].effects
    assert [effect.term for effect in effects] == [(part,) for part in PARTS]
    assert [effect.estimate for effect in effects] == pytest.approx([-3.0, -2.0, 0.0])


def test_a_factorial_shows_interactions_too(ablation):
    study = ablation(design="factorial")
    effects = effects_of(frame_of(study, error_of), study.as_dict())[0].effects
    found = {effect.term: effect.estimate for effect in effects}
    assert found[(PARTS[0],)] == pytest.approx(-2.5)
    assert found[(PARTS[0], PARTS[1])] == pytest.approx(-0.5)
    assert found[(PARTS[0], PARTS[2])] == pytest.approx(0.0)


def test_each_setting_has_effects_of_its_own_corrected_together(ablation):
    study = ablation(search={"space": SPACE}, seeds=3, **ONE_PART)

    def error(point, seed):
        gain = {"learned": 0.0, "uniform": 1.0, "none": 3.0}[point["regularizer.global_label"]]
        few = point["dataset.train_images"] == 60
        noise = 0.1 * (seed * (len(point["regularizer.global_label"]) + few) % 3)
        return 20.0 + 5 * few + gain * (2 if few else 1) + noise

    found = effects_of(frame_of(study, error), study.as_dict())
    assert [each.setting for each in found] == [(60,), (80,)]
    terms = [effect.term[0] for effect in found[0].effects]
    label = "regularizer.global_label: learned, not"
    assert terms == [f"{label} none", f"{label} uniform"]
    effects = [effect for each in found for effect in each.effects]
    assert [e.estimate for e in effects] == pytest.approx([-6.0, -2.0, -3.0, -1.0], abs=0.15)
    assert max(e.holm_p for e in effects) >= max(e.p for e in effects)
    assert min(effects, key=lambda e: e.p).holm_p == pytest.approx(4 * min(e.p for e in effects))
    grid = effect_grid(frame_of(study, error), study.as_dict())
    assert [row[0].text for row in grid.rows] == ["60", "60", "80", "80"]


def test_the_table_says_what_an_effect_is(ablation):
    study = ablation()
    grid = effect_grid(frame_of(study, error_of), study.as_dict())
    text = to_text(grid)
    assert "Effects of the parts" in text
    assert "-3.00" in text or "−3.00" in text
    assert "below 0 the part helps as it is under `to`" in text


def test_without_trials_there_is_no_table(ablation):
    study = ablation()
    frame = frame_of(study, error_of).assign(outcome="failed")
    assert effect_grid(frame, study.as_dict()) is None
