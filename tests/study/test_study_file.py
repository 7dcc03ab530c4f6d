import json
from pathlib import Path

import pytest
import yaml

from study import schema
from study.file import document
from study.file.names import WHOLE_SCALE
from study.file.problems import FileProblem, StudyFileError
from study.file.resolved import json_schema, load_study
from tests.study.sample import study_data

ROOT = Path(__file__).resolve().parents[2]
ALTERNATIVES = {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.1, 0.9]}]}
BETA_LINE = 19
"""Of `regularizer.beta` in the space of `study_data()`."""


@pytest.fixture
def written(tmp_path):
    def write(**options):
        file = tmp_path / "sample.yaml"
        file.write_text(yaml.safe_dump(study_data(**options), sort_keys=False))
        return file

    return write


@pytest.fixture
def problems(written):
    """Load a study file, changed by flags, and return what is wrong with it."""

    def problems(*overrides, scale=None, **options):
        with pytest.raises(StudyFileError) as error:
            load_study(written(**options), scale=scale, overrides=overrides)
        assert all(str(line).startswith(error.value.file) for line in str(error.value).split("\n"))
        return error.value.problems

    return problems


def only(found):
    (problem,) = found
    return problem.path, problem.rule, problem.line


# Single mistakes: the flag that makes it, path and the beginning of the rule


@pytest.mark.parametrize(
    ("flag", "path", "rule"),
    [
        (
            "search.smapler=tpe",
            "search.smapler",
            "there is no setting `smapler`; known: sampler, sampler_seed, configurations, seeds, "
            "space, enqueue, objective, constraints, early_stopping; did you mean `sampler`?",
        ),
        (
            "serach.seeds=3",
            "serach",
            "there is no setting `serach`; known: study, question, trial, search, resources, "
            "checkpoints, budget, ablate, notify, claims, plugins, include, scales; did you mean "
            "`search`?",
        ),
        (
            "search.ablate=x",
            "search.ablate",
            "there is no setting `ablate`; known: sampler, sampler_seed, configurations, seeds, "
            "space, enqueue, objective, constraints, early_stopping; `ablate` stands at the root "
            "of the file",
        ),
        ("search.seeds=true", "search.seeds", "must be a whole number, but got `True`"),
        ("search.seeds=five", "search.seeds", "must be a whole number, but got `five`"),
        ("search.seeds=0", "search.seeds", "must be at least 1, but got `0`"),
        ("search.seeds=[]", "search.seeds", "must not be empty, but got `[]`"),
        ("search.seeds=[0, -1]", "search.seeds[1]", "must be at least 0, but got `-1`"),
        ("search.seeds=[1, 2, 1]", "search.seeds", "must be distinct, but got [1, 2, 1]"),
        ("search.configurations=2.5", "search.configurations", "must be a whole number, but got"),
        ("search.configurations=null", "search.configurations", "is required with `sampler: ran"),
        (
            "search.sampler=tpee",
            "search.sampler",
            "must be tpe, gp, cmaes, random, qmc, grid or nsga2, but got `tpee`; did you mean "
            "`tpe`?",
        ),
        ("search.space=[1]", "search.space", "must be a mapping, but got `[1]`"),
        ("search.space=null", "search.space", "is empty: there is nothing to search; use"),
        ("search.enqueue={a: 1}", "search.enqueue", "must be a list, but got `{'a': 1}`"),
        (
            "search.objective=validation_eror",
            "search.objective",
            "must be validation_error, validation_loss, validation_top5_error",
        ),
        (
            "search.objective=test_error",
            "search.objective",
            "must be validation_error, validation_loss",
        ),
        (
            "search.objective=[validation_error, validation_error]",
            "search.objective",
            "must be distinct, but got ['validation_error', 'validation_error']",
        ),
        (
            "search.early_stopping={name: ashaa}",
            "search.early_stopping.name",
            "there is no name `ashaa`; known: asha, median, hyperband; did you mean `asha`?",
        ),
        (
            "search.early_stopping={grace_period: 2}",
            "search.early_stopping.name",
            "a `name` is required",
        ),
        (
            "search.early_stopping={name: median, reduction_factor: 4}",
            "search.early_stopping.reduction_factor",
            "median would ignore `reduction_factor`, a setting of asha, hyperband",
        ),
        (
            "search.early_stopping={name: asha, grace_period: 4}",
            "search.early_stopping.grace_period",
            "must be below the 4 epochs of a trial, but got `4`",
        ),
        ("trial=null", "trial", "is required"),
        ("trial=[1]", "trial", "must be a mapping, but got `[1]`"),
        (
            "trial.dataset=digits",
            "trial.dataset",
            "must be a mapping, but got `digits`; write dataset: {name: digits}",
        ),
        ("trial.dataset=null", "trial.dataset", "is required"),
        ("trial.training.epochs='10'", "trial.training.epochs", "must be a whole number, but got"),
        ("trial.training.epochs=0", "trial.training.epochs", "must be at least 1, but got `0`"),
        ("trial.training.learning_rate=.nan", "trial.training.learning_rate", "must be finite"),
        ("trial.training.learning_rate=fast", "trial.training.learning_rate", "must be a number"),
        ("trial.training.momentum=1", "trial.training.momentum", "must be below 1, but got `1`"),
        ("trial.training.nesterov=maybe", "trial.training.nesterov", "must be true or false, but"),
        (
            "trial.dataset.name=digit",
            "trial.dataset.name",
            "there is no data set `digit`; known: ",
        ),
        ("trial.network.name=lenett", "trial.network.name", "there is no network `lenett`; known"),
        (
            "trial.regularizer.name=lammix",
            "trial.regularizer.name",
            "there is no regularizer `lammix`; known: ",
        ),
        (
            "trial.regularizer.mixing=avrage",
            "trial.regularizer.mixing",
            "must be average",
        ),
        (
            "trial.regularizer.alpha=0.5",
            "trial.regularizer.alpha",
            "lamix would ignore `alpha`, a setting of cutmix, fmix, manifold_mixup, mixup, ",
        ),
        (
            "trial.regularizer.beta=0.5",
            "trial.regularizer.beta",
            "is searched (`search.space`), so that a value here would be ignored",
        ),
        (
            "trial.dataset.validation=0",
            "search.objective",
            "validation_error needs a validation share, but `trial.dataset.validation` is 0",
        ),
        ("resources.cpus=0", "resources.cpus", "must be above 0, but got `0`"),
        ("resources.gpus=-1", "resources.gpus", "must be at least 0, but got `-1`"),
        (
            "resources.gpus=1.5",
            "resources.gpus",
            "must be from 0 to 1, but got `1.5`: a trial trai",
        ),
        (
            "resources.gpus=2",
            "resources.gpus",
            "must be from 0 to 1, but got `2`: a trial trains o",
        ),
        (
            "resources.gpus=atuo",
            "resources.gpus",
            "must be a number or auto, but got `atuo`; did you mean `auto`?",
        ),
        ("resources.gpus=true", "resources.gpus", "must be a number or auto, but got `True`"),
        (
            "trial.training.compile=atuo",
            "trial.training.compile",
            "must be true, false or auto, but got `atuo`; did you mean `auto`?",
        ),
        (
            "trial.training.compile=yes",
            "trial.training.compile",
            "must be true, false or auto, but got `yes`; YAML 1.2 reads `yes` as a text",
        ),
        (
            "trial.training.compile=1",
            "trial.training.compile",
            "must be true, false or auto, but got `1`",
        ),
        (
            "resources.gups=1",
            "resources.gups",
            "there is no setting `gups`; known: gpus, cpus, trial_timeout; did you mean `gpus`?",
        ),
        (
            "study=a b",
            "study",
            "must be letters and digits, then also `_`, `.` and `-`, but got `a b`",
        ),
        ("scales.quick.search.seeds=5", "scales", "a flag is laid over the scale; set the setting"),
    ],
)
def test_a_mistake_is_named_with_its_path_its_rule_and_its_value(problems, flag, path, rule):
    found_path, found_rule, line = only(problems(flag))
    assert found_path == path
    assert found_rule.startswith(rule)
    assert line == 0


def test_a_precision_that_only_gpus_compute_is_refused_on_cpus(problems):
    path, rule, _ = only(problems("trial.training.precision=tf32"))
    assert path == "resources.gpus"
    assert rule.startswith("must be above 0 with `training.precision: tf32`, which only GPUs compu")


@pytest.mark.parametrize(
    ("text", "setting"), [("auto", "auto"), ('"auto"', "auto"), ("true", True), ("false", False)]
)
def test_compile_is_a_flag_or_auto(written, text, setting):
    study = load_study(written(), overrides=[f"trial.training.compile={text}"])
    found = study.configuration({"regularizer.beta": 0.5}).training.compile
    assert (type(found), found) == (type(setting), setting)


def test_a_precision_that_only_gpus_compute_is_right_on_a_share_of_one(written):
    flags = ["trial.training.precision=tf32", "resources.gpus=0.5"]
    study = load_study(written(), overrides=flags)
    assert study.resources.gpus == 0.5


@pytest.mark.parametrize(
    ("space", "path", "rule"),
    [
        (
            {"regularizer.beta": {"low": 0.5, "high": 1.5}},
            "regularizer.beta",
            "must be at most 1, but got `1.5` (searched value of regularizer.beta)",
        ),
        (
            {"regularizer.beta": [0.5, 1.5]},
            "regularizer.beta",
            "must be at most 1, but got `1.5` (searched value of regularizer.beta)",
        ),
        (
            {"regularizer.beta": {"low": 0.9, "high": 0.1}},
            "regularizer.beta",
            "`low < high` must hold, but got low=0.9, high=0.1",
        ),
        (
            {"learning_rate": [0.5, 0.6]},
            "learning_rate",
            "there is no setting `learning_rate`; known: dataset, network, regularizer, training, "
            "diagnostics; did you mean `training.learning_rate`?",
        ),
        (
            {"trial.training.learning_rate": [0.5, 0.6]},
            "trial.training.learning_rate",
            "paths of a space begin below `trial`; write `training.learning_rate`",
        ),
        (
            {"regularizer.bta": [0.5, 0.6]},
            "regularizer.bta",
            "there is no setting `bta` of lamix; known: ",
        ),
        (
            {"regularzer.beta": [0.5]},
            "regularzer.beta",
            "there is no setting `regularzer`; known: dataset, network, regularizer, training",
        ),
        (
            {"regularizer": [{"name": "lmix"}]},
            "regularizer",
            "there is no regularizer `lmix`; known: ",
        ),
        (
            {"regularizer": [{"beta": [0.1, 0.2]}]},
            "regularizer",
            "a `name` is required (searched value of regularizer)",
        ),
        (
            {"regularizer": [{"name": "vanilla", "beta": [0.1, 0.2]}]},
            "regularizer",
            "vanilla would ignore `beta`, a setting of lamix (searched value of regularizer.beta)",
        ),
        (
            {"regularizer": [{"name": "lamix", "beta": {"low": 0.1, "high": 1.2}}]},
            "regularizer",
            "must be at most 1, but got `1.2` (searched value of regularizer.beta)",
        ),
        (
            {"regularizer": [{"name": "lamix", "beta": {"low": 0.5, "high": 0.2}}]},
            "regularizer",
            "`low < high` must hold, but got low=0.5, high=0.2",
        ),
        (
            {"regularizer.global_label": ["learned", "none"], "regularizer.beta": [0.5, 0.6]},
            "regularizer.global_label",
            "`beta` is ignored with `global_label: none`; leave it out",
        ),
    ],
)
def test_a_mistake_in_the_space_is_named_where_the_file_says_it(problems, space, path, rule):
    found_path, found_rule, line = only(problems(space=space))
    assert found_path == f"search.space.{path}"
    assert found_rule.startswith(rule)
    assert line == BETA_LINE


def test_what_is_missing_is_named(problems):
    assert only(problems(space={}))[:2] == (
        "search.space",
        "is empty: there is nothing to search; use `sampler: grid`",
    )
    found = problems(trial={"network": {}})
    assert only(found)[:2] == ("trial.network.name", "a `name` is required")


def test_the_nearest_known_name_is_suggested(problems):
    for flag, word in [
        ("trial.dataset.name=digit", "digits"),
        ("trial.network.name=lennet", "lenet"),
        ("trial.regularizer.name=lammix", "lamix"),
        ("trial.training.epoch=3", "epochs"),
        ("search.sampler=TPE", "tpe"),
        ("trial.network.name=resnet18", "preact_resnet18"),
    ]:
        assert only(problems(flag))[1].endswith(f"; did you mean `{word}`?")
    assert "did you mean" not in only(problems("trial.dataset.name=qqqq"))[1]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("test_error", "validation_error"),
        ("Test_Error", "validation_error"),
        ("best_test_error", "best_validation_error"),
    ],
)
def test_an_objective_on_test_images_is_answered_with_that_on_validation_images(
    problems, given, meant
):
    told = only(problems(f"search.objective={given}"))[1]
    assert told.endswith(f"but got `{given}`; test images choose nothing, so write {meant}")


@pytest.mark.parametrize(
    ("given", "hint"),
    [("0,05", "; write 0.05"), ("0,005", "; write 0.005"), ("1,5", "; write 1.5"), ("1,000", "")],
)
def test_a_decimal_comma_is_answered_with_a_point(problems, given, hint):
    told = only(problems(f"trial.training.learning_rate='{given}'"))[1]
    assert told == f"must be a number, but got `{given}`{hint}"


def test_a_searched_setting_that_the_regularizer_ignores_is_refused(problems):
    assert only(problems("trial.regularizer={name: vanilla}")) == (
        "search.space.regularizer.beta",
        "vanilla would ignore `beta`, a setting of lamix (searched value of regularizer.beta)",
        0,
    )


def test_what_the_file_itself_says_has_its_line(written):
    file = written(trial={"network": {"name": "lenett"}})
    line = file.read_text().split("\n").index("    name: lenett") + 1
    with pytest.raises(StudyFileError) as error:
        load_study(file)
    assert str(error.value).startswith(f"{file}:{line}: trial.network.name: there is no network")


def test_what_a_flag_says_is_named_as_the_flags(written):
    with pytest.raises(StudyFileError) as error:
        load_study(written(), overrides=("search.seeds=0",))
    assert str(error.value).endswith("sample.yaml (--set): search.seeds: must be at least 1, "
                                     "but got `0`")  # fmt: skip


def test_several_mistakes_are_said_at_once(problems):
    found = problems(
        "serach.seeds=3",
        "search.sampler=tpee",
        "resources.gpus=-1",
        "trial.network.name=lenett",
        "trial.dataset.name=digts",
        "trial.training.epochs=0",
    )
    assert {problem.path for problem in found} == {
        "serach",
        "search.sampler",
        "resources.gpus",
        "trial.network.name",
        "trial.dataset.name",
        "trial.training.epochs",
    }
    space = {"regularizer.beta": {"low": 0.9, "high": 0.1}, "regularizer.smoothing": []}
    assert len(problems(space=space)) == 2
    assert len(problems("search.seeds=[1, 1]", "trial.training.epochs=0")) == 2


def test_a_mistake_of_many_points_is_said_once(problems):
    space = {"regularizer.beta": [0.1, 0.2, 0.3], "regularizer.smoothing": [0.1, 0.2]}
    found = problems("trial.network.name=lenett", space=space)
    assert [problem.path for problem in found] == ["trial.network.name"]


# Settings that do not go together


def test_a_grid_takes_no_count_no_points_and_no_range_without_a_step(problems):
    listed = {"regularizer.beta": [0.1, 0.2]}
    assert only(problems("search.configurations=5", sampler="grid", space=listed))[:2] == (
        "search.configurations",
        "a grid takes every point once; leave it out",
    )
    enqueue = [{"regularizer.beta": 0.1}]
    assert only(problems(sampler="grid", space=listed, enqueue=enqueue))[0] == "search.enqueue"
    assert only(problems(sampler="grid"))[:2] == (
        "search.space.regularizer.beta",
        "a grid needs a `step` or a list of values, but got a range",
    )


def test_a_grid_without_a_space_is_one_configuration(make):
    assert make(sampler="grid", space={}).configurations == 1


def test_several_objectives_need_a_sampler_that_has_them(problems, make):
    both = ["validation_error", "epoch_seconds"]
    assert only(problems(sampler="cmaes", objective=both))[0] == "search.sampler"
    found = problems(sampler="tpe", objective=both, early_stopping={"name": "asha"})
    assert only(found)[0] == "search.early_stopping"
    for sampler in ("nsga2", "gp"):
        assert make(sampler=sampler, objective=both).search.objectives == tuple(both)


def test_early_stopping_needs_a_validation_share_whatever_the_objective(problems, make):
    unvalidated = {"dataset": {"name": "digits", "validation": 0}}
    cost = {"objective": "epoch_seconds", "trial": unvalidated}
    assert make(**cost).search.objectives == ("epoch_seconds",)
    assert only(problems(**cost, early_stopping={"name": "median"}))[:2] == (
        "search.early_stopping",
        "needs a validation share, but `trial.dataset.validation` is 0",
    )


def test_one_searched_data_set_without_a_share_is_enough_to_be_refused(problems):
    space = {"dataset.validation": [0.0, 0.2]}
    found = problems(space=space, trial={"dataset": {"name": "digits"}})
    assert only(found)[0] == "search.objective"


# Points to try first


def test_enqueued_points_must_be_of_the_space(problems):
    found = problems(
        enqueue=[{"regularizer.beta": 0.5}, {"regularizer.bta": 0.5}, {"regularizer.beta": 0.95}]
    )
    assert [(problem.path, problem.rule) for problem in found] == [
        (
            "search.enqueue[1].regularizer.bta",
            "is not searched; searched are regularizer.beta; did you mean `regularizer.beta`?",
        ),
        ("search.enqueue[2].regularizer.beta", "must be from 0.1 to 0.9, but got `0.95`"),
    ]
    assert [problem.line for problem in found] == [BETA_LINE + 5, BETA_LINE + 6]


def test_enqueued_alternatives_are_named_before_their_settings(problems, make):
    space = {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.1, 0.9]}]}
    found = problems(
        space=space,
        enqueue=[
            {"regularizer": "lammix"},
            {"regularizer.beta": 0.1},
            {"regularizer": "vanilla", "regularizer.beta": 0.1},
        ],
    )
    assert [problem.rule for problem in found] == [
        "must be one of vanilla, lamix, but got `lammix`; did you mean `lamix`?",
        "is searched within an alternative alone; say first which alternative it is",
        "is searched within an alternative alone; say first which alternative it is",
    ]
    enqueue = [
        {"regularizer.beta": 0.1, "regularizer": "lamix"},
        {"regularizer": {"name": "vanilla"}},
    ]
    assert make(space=space, enqueue=enqueue).enqueued() == [
        {"regularizer.beta": 0.1, "regularizer": "lamix"},
        {"regularizer": "vanilla"},
    ]


def test_enqueued_values_are_written_as_the_space_writes_them(make):
    space = {
        "regularizer.beta": {"low": 0.1, "high": 0.9, "step": 0.1},
        "training.milestones": [[1], [1, 2]],
        "regularizer.smoothing": {"low": 0.0, "high": 1.0},
    }
    point = {
        "regularizer.beta": 0.30000000000000004,
        "training.milestones": [1, 2],
        "regularizer.smoothing": 1,
    }
    (found,) = make(space=space, enqueue=[point]).enqueued()
    assert found == {
        "regularizer.beta": 0.3,
        "training.milestones": "[1, 2]",
        "regularizer.smoothing": 1.0,
    }


# Alternatives


def test_alternatives_of_the_regularizer_have_settings_of_their_own(make):
    space = {
        "regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": {"low": 0.1, "high": 0.9}}]
    }
    study = make(space=space)
    assert study.configuration({"regularizer": "vanilla"}).regularizer.name == "vanilla"
    point = {"regularizer": "lamix", "regularizer.beta": 0.3}
    assert study.configuration(point).regularizer.beta == 0.3
    extremes = {(c.regularizer.name, getattr(c.regularizer, "beta", 0)) for c in study.extremes()}
    assert extremes == {("vanilla", 0), ("lamix", 0.1), ("lamix", 0.9)}


def test_settings_that_the_alternatives_would_replace_are_refused(problems, make):
    make(space=ALTERNATIVES, trial={"regularizer": {"name": "mixup"}})
    make(space=ALTERNATIVES, trial={"regularizer": None})
    given = {"regularizer": {"name": "lamix", "smoothing": 0.1}}
    assert only(problems(space=ALTERNATIVES, trial=given))[0] == "trial.regularizer"


# Scales


def test_a_file_with_scales_has_quick_and_paper(written):
    for scales, missing in [({"quick": {}}, "paper"), ({"paper": {}}, "quick")]:
        file = written()
        data = {**yaml.safe_load(file.read_text()), "scales": scales}
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        with pytest.raises(StudyFileError, match=f"{missing} is missing"):
            load_study(file)


def test_an_unknown_scale_is_refused_with_the_known_ones(problems):
    path, rule, line = only(problems(scale="papre"))
    assert path == "scales"
    assert rule == "there is no scale `papre`; known: quick, paper; did you mean `paper`?"
    assert line == 22


def test_a_scale_overrides_and_a_flag_overrides_the_scale(written):
    file = written()
    data = yaml.safe_load(file.read_text())
    data["scales"]["quick"] = {"search.seeds": 3, "trial": {"training.epochs": 9}}
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    assert load_study(file).search.seed_list == (0, 1, 2)
    assert load_study(file).configuration({"regularizer.beta": 0.5}).training.epochs == 9
    assert load_study(file, scale="paper").search.seed_list == (0, 1)
    assert load_study(file, overrides=("search.seeds=[7]",)).search.seed_list == (7,)
    assert (load_study(file).scale, load_study(file, scale="paper").scale) == ("quick", "paper")


@pytest.mark.parametrize("patch", [{"study": "x"}, {"scales": {}}, {"study.x": 1}, [1]])
def test_a_scale_is_a_mapping_that_leaves_name_and_scales_alone(written, patch):
    file = written()
    data = yaml.safe_load(file.read_text())
    data["scales"]["paper"] = patch
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(StudyFileError, match="a scale (cannot override|is a mapping)"):
        load_study(file)


# What the rest works from


def test_the_resolved_study_spells_out_every_default(make):
    found = make(seeds=[3, 5]).as_dict()
    assert found["scale"] == "quick"
    assert found["search"]["seeds"] == [3, 5]
    assert found["search"]["sampler_seed"] == 0
    assert found["search"]["early_stopping"] is None
    assert found["resources"] == {"gpus": 0.0, "cpus": 1.0, "trial_timeout": None}
    assert json.loads(json.dumps(found)) == found


def test_a_grid_counts_its_configurations_once(make):
    study = make(sampler="grid", space={"regularizer.beta": {"low": 0, "high": 1, "step": 0.001}})
    assert study.configurations == 1001
    assert "configurations" in vars(study)  # kept, not counted at every event


def test_problems_are_told_in_one_sentence_each():
    problems = [
        FileProblem("a.b", "must hold", 3),
        FileProblem("c", "must hold", 0),
        FileProblem("", "is odd"),
    ]
    assert str(StudyFileError("f.yaml", problems)).split("\n") == [
        "f.yaml:3: a.b: must hold",
        "f.yaml (--set): c: must hold",
        "f.yaml: is odd",
    ]


# The shipped files, and the schema

SHIPPED = [
    file
    for file in sorted((ROOT / "search_spaces").rglob("*.yaml"))
    if file.name != "shared.yaml"  # what others include
]


def shipped_scales():
    for file in SHIPPED:
        for scale in yaml.safe_load(file.read_text()).get("scales", [None]):
            yield pytest.param(file, scale, id=f"{file.stem}-{scale or WHOLE_SCALE}")


@pytest.mark.parametrize(("file", "scale"), list(shipped_scales()))
def test_a_shipped_file_is_valid_at_every_scale(file, scale):
    pytest.importorskip("trainables.datasets.cifar100")
    assert load_study(file, scale=scale).configurations > 0


@pytest.fixture(scope="module")
def schema_validator():
    return pytest.importorskip("jsonschema").Draft202012Validator(json_schema())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_file_fits_the_schema_and_points_to_it(file, schema_validator):
    schema_validator.validate(document.as_plain_data(document.read_document(file)))
    first = file.read_text().partition("\n")[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / path).resolve() == ROOT / "search_spaces" / "study.schema.json"


def test_the_schema_refuses_what_loading_refuses():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert validator.is_valid(study_data())
    for change in [
        {"searhc": {}},
        {"search": {"sampler": "tpee"}},
        {"search": {"seeds": 0}},
        {"trial": {"training": {"epochs": 0}}},
        {"trial": {"regularizer": {"name": "vanilla", "beta": 0.5}}},
        {"trial": {"dataset": {"name": "digts"}}},
        *({"scales": {"quick": patch, "paper": {}}} for patch in WRONG_PATCHES),
        *({"search": {"space": searched}} for searched in WRONG_SPACES),
    ]:
        assert not validator.is_valid({**study_data(), **change}), change
    for change in [
        *({"scales": {"quick": patch, "paper": None}} for patch in RIGHT_PATCHES),
        *({"search": {"space": searched}} for searched in RIGHT_SPACES),
        {"search": {"seeds": {"first": 3, "decide": {"against": {"regularizer": "mixup"}}}}},
        {"budget": {"hours": "8h"}, "include": ["a.yaml"]},
    ]:
        validator.validate({**study_data(), **change})


WRONG_PATCHES = [
    {"trial": {"dataset": {"name": "Digits"}}},
    {"trial.dataset.name": "Digits"},
    {"trial": {"dataset.name": "Digits"}},
    {"trial": {"training": {"epochs": 0}}},
    {"trial.training.epochs": 0},
    {"search": {"seeds": 0}},
    {"search": {"space": {"dataset.name": ["Digits"]}}},
    {"study": "another"},
    {"scales": {}},
    {"trail": {}},
]
RIGHT_PATCHES = [
    {},
    {"trial": {"dataset": {"validation": 0.2}, "training.epochs": 3, "regularizer": None}},
    {"trial.training.epochs": 3, "search": {"seeds": [1, 2], "configurations": None}},
    {"search": {"space": {"regularizer.beta": None}}, "search.seeds": 4},
]
WRONG_SPACES = [
    {"dataset.name": ["Digits"]},
    {"dataset": [{"name": "Digits"}]},
    {"regularizer": [{"name": "vanilla", "beta": 0.5}]},
    {"regularizer": [{"name": "lamix", "beta": [1.5]}]},
    {"regularizer.beta": {"low": 0.1}},
    {"regularizer.beta": {"low": 0.1, "high": 0.9, "setp": 1}},
    {"regularizer.beta": 0.5},
    {"regularizer.bta": [0.5]},
    {"training.schedule": {"low": 0, "high": 1}},
]
RIGHT_SPACES = [
    {"regularizer.beta": {"low": 0, "high": 1, "step": 0.5}, "training.milestones": [[1], [2]]},
    {"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": {"low": 0.1, "high": 0.9}}]},
    {"dataset.name": ["digits", "mnist"], "network.width": [8, 16]},
]


def test_the_schema_says_what_each_setting_means():
    text = json.dumps(json_schema(), ensure_ascii=False)
    assert "Share of the local label, in [0, 1]; 1 means no global label (Eq. 10)." in text
    assert "Keys the sampler's randomness." in text


def test_a_schema_on_file_is_compared_with_the_code(tmp_path, capsys):
    file = tmp_path / "schema.json"
    assert schema.main([str(file), "--check"]) == 1
    assert schema.main([str(file)]) == 0
    assert schema.main([str(file), "--check"]) == 0
    file.write_text(file.read_text().replace("sampler", "smapler"))
    assert schema.main([str(file), "--check"]) == 1
    assert "is not up to date" in capsys.readouterr().err
