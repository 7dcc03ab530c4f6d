"""Files without scales, files that include others, and hints from anywhere in the tree."""

import pytest
import yaml

from study.file.problems import StudyFileError
from study.file.resolved import load_study
from tests.study.sample import study_data

POINT = {"regularizer.beta": 0.5}


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
        file.write_text(text)
        return file

    return write


def without(*keys, **options):
    return {key: value for key, value in study_data(**options).items() if key not in keys}


def refused(file, **options):
    with pytest.raises(StudyFileError) as error:
        load_study(file, **options)
    return str(error.value)


# Without scales


@pytest.mark.parametrize("scales", ["left out", None, {}])
def test_a_file_without_scales_runs_as_it_stands(write, scales):
    data = without("scales") | ({} if scales == "left out" else {"scales": scales})
    file = write("own.yaml", data)
    assert load_study(file).scale == "full"
    assert load_study(file, scale="full").configurations == 8
    assert "has no scales, so leave out `--scale paper`" in refused(file, scale="paper")


def test_null_leaves_a_setting_out_and_an_empty_mapping_empties_it(write):
    data = study_data(trial={"training": {"epochs": 4, "batch_size": 32}})
    data |= {"resources": None, "checkpoints": None}
    data["scales"]["quick"] = {"trial": {"training": None}, "search": {"enqueue": None}}
    data["scales"]["paper"] = {"trial": {"training": {}}}
    file = write("own.yaml", data)
    for scale in ("quick", "paper"):
        study = load_study(file, scale=scale)
        assert study.configuration(POINT).training.epochs == 400
        assert study.resources.cpus == 1.0
    assert "search.sampler" not in refused(file, overrides=("search={}",))
    assert "trial.network: is required" in refused(file, overrides=("trial.network=null",))
    assert "trial.network.name: a `name` is required" in refused(
        file, overrides=("trial.network={}",)
    )


# Including


def test_a_file_is_laid_over_what_it_includes(write):
    write("shared/base.yaml", without("study", epochs=4, seeds=5))
    own = {"study": "own", "include": "shared/base.yaml", "search": {"seeds": 3}}
    study = load_study(write("own.yaml", own))
    assert (study.name, study.scale, study.search.seed_list) == ("own", "quick", (0, 1, 2))
    assert study.configuration(POINT).training.epochs == 4


def test_a_later_included_file_is_laid_over_the_earlier(write):
    write("first.yaml", without("study", epochs=4, seeds=5))
    write("second.yaml", {"search": {"seeds": 7}, "trial": {"training": {"epochs": 9}}})
    own = {"study": "own", "include": ["first.yaml", "second.yaml"], "trial.training.epochs": 2}
    study = load_study(write("own.yaml", own))
    assert len(study.search.seed_list) == 7
    assert study.configuration(POINT).training.epochs == 2


def test_scales_of_an_included_file_are_kept_and_changed_by_name(write):
    base = study_data()
    base["scales"] = {
        "quick": {"search": {"seeds": 3, "space": {"regularizer.smoothing": [0.1]}}},
        "paper": {},
    }
    write("base.yaml", base)
    quick = {"search": {"space": {"regularizer.beta": [0.2, 0.4]}}}
    own = write("own.yaml", {"include": "base.yaml", "scales": {"quick": quick}})
    assert len(load_study(own).search.seed_list) == 3
    assert list(load_study(own).space) == ["regularizer.beta", "regularizer.smoothing"]
    assert list(load_study(own, scale="paper").space) == ["regularizer.beta"]


def test_a_mistake_in_an_included_file_has_its_name_and_line(write):
    base = write("base.yaml", "question: Does it?\ntrial:\n  network: {name: lenett}\n")
    own = write("own.yaml", without("question") | {"include": "base.yaml"})
    own.write_text(own.read_text().replace("  network:\n    name: lenet\n", ""))
    assert refused(own).startswith(f"{base}:3: trial.network.name: there is no network `lenett`")
    base.write_text("a: [1\n")
    assert refused(own).startswith(f"{base}:2: this is not YAML")


def test_a_file_that_includes_itself_or_none_is_refused(write):
    first = write("first.yaml", {"include": "second.yaml"})
    second = write("second.yaml", {"include": "./first.yaml"})
    assert refused(first) == f"{second}:1: include: `./first.yaml` includes itself"
    first.write_text("include: missing.yaml")
    assert refused(first).startswith(f"{first}:1: include: there is no file `missing.yaml`")
    first.write_text("include: {a: 1}")
    assert "must be a file's name or a list of them" in refused(first)
    for number in range(25):
        write(f"n{number}.yaml", {"include": f"n{number + 1}.yaml"})
    assert "more than 20 files are included" in refused(write("many.yaml", {"include": "n0.yaml"}))


def test_neither_a_scale_nor_a_flag_includes(write):
    data = study_data()
    assert "only a file can include another" in refused(
        write("own.yaml", data), overrides=("include=x.yaml",)
    )
    data["scales"]["quick"] = {"include": "x.yaml"}
    assert "a scale cannot override `include`" in refused(write("own.yaml", data))


# Hints


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("seeds=5", "search.seeds"),
        ("training.epochs=3", "trial.training.epochs"),
        ("epochs=3", "trial.training.epochs"),
        ("scale=quick", "scales"),
        ("trial.seeds=5", "search.seeds"),
        ("trial.epochs=5", "trial.training.epochs"),
        ("regularizer.beta=0.5", "trial.regularizer.beta"),
        ("search.cpus=2", "resources.cpus"),
        ("space.regularizer.beta=[0.1]", "search.space.regularizer.beta"),
    ],
)
def test_a_setting_that_belongs_elsewhere_is_named_by_its_whole_path(write, flag, meant):
    said = refused(write("own.yaml", study_data()), overrides=(flag,))
    assert said.endswith(f"; did you mean `{meant}`?")


def test_a_mistake_that_only_a_flag_makes_is_the_flags(write):
    file = write("own.yaml", study_data())
    for flag in (
        "search.sampler=grid",
        "trial.dataset.validation=0",
        "trial.regularizer.name=mixup",
    ):
        for line in refused(file, overrides=(flag,)).split("\n"):
            assert line.startswith(f"{file} (--set): ")
    own = write("own.yaml", study_data(seeds=0))
    first, second = refused(own, overrides=("search.sampler=tpee",)).split("\n")
    assert first.startswith(f"{own} (--set): search.sampler")
    assert second.startswith(f"{own}:17: search.seeds")
