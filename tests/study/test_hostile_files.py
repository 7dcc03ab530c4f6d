"""Study files that were never meant well, or were mistyped: words and status 2, never a traceback.

Every file is read within seconds, whatever it holds.
"""

import copy
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.file import points as file_points
from study.file import space
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from tests.study.sample import study_data

LONGEST_SECONDS = 5.0
ODD_NUMBERS = [0, 1, -1, 10**9, 10**15, 2**53, 0.5, 1.5, -0.0, 1e-308, 5e-324, 1e-300, 1e308, 1e15]
ODD_TEXTS = ["", "on", "1:30", "../..", "é", "a: b", "1_000", "\u202e", "'", "null", "name", "<<"]
ODD_KEYS = ["low", "high", "step", "log", "name", "beta", "", "a.b", "regularizer.beta", "network"]


def loaded(tmp_path, text, **options):
    """Load a text as a study file; return the message where it is refused, or nothing."""
    file = tmp_path / "hostile.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    begun = time.perf_counter()
    try:
        study = load_study(file, **options)
        work_from(study)
        return ""
    except StudyFileError as error:
        assert str(error)
        assert all(part.isprintable() for part in str(error).split("\n"))
        return str(error)
    finally:
        assert time.perf_counter() - begun < LONGEST_SECONDS


def work_from(study):
    """Use a study as a launch does before its first trial."""
    assert study.configurations > 0
    assert study.extremes()
    study.enqueued()
    study.as_dict()
    if file_points.space_size(study.space) is not None:
        last = file_points.grid_point(study.space, study.configurations - 1)
        assert file_points.is_point_of(last, study.space)


def sample(**options):
    return yaml.safe_dump(study_data(**options), sort_keys=False)


# Size


def laughs(levels, indent=""):
    lines = [f"{indent}a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        row = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"{indent}a{level}: &a{level} [{row}]")
    return "\n".join(lines)


def merged_laughs(levels):
    lines = ["m0: &m0 {a: 1, b: 2}"]
    for level in range(1, levels):
        row = ", ".join([f"*m{level - 1}"] * 10)
        lines.append(f"m{level}: &m{level} {{<<: [{row}], k{level}: *m{level - 1}}}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f"{sample()}{laughs(10)}", "more than 10,000 values", id="aliases"),
        pytest.param(f"trial:\n{laughs(12, '  ')}", "more than 10,000 values", id="aliases within"),
        pytest.param(f"{sample()}{merged_laughs(12)}", "more than 10,000 values", id="merges"),
        pytest.param(f"a: {'[' * 20_000}{']' * 20_000}", "at more than 50 levels", id="nested"),
        pytest.param(f"a: {'{a: ' * 9_000}1{'}' * 9_000}", "more than 50 levels", id="mappings"),
        pytest.param("- " * 20_000, "at more than 50 levels", id="nested blocks"),
        pytest.param("[" * 20_000, "at more than 50 levels", id="nested and not closed"),
        pytest.param(f"a: {'x' * 400_000}", "at most 10,000 characters", id="a long text"),
        pytest.param(f"{'k' * 300}: 1", "at most 200 characters", id="a long key"),
        pytest.param(f"# {'x' * 600_000}", "at most 500,000", id="a long file"),
        pytest.param(f"a: {'9' * 400}", "whole numbers lie within", id="400 digits"),
        pytest.param(f"a: 0x{'f' * 9000}", "whole numbers lie within", id="9,000 digits"),
        pytest.param("a: 1e999", "beyond what a number can hold", id="too large"),
        pytest.param("a: 1e-999", "beyond what a number can hold", id="too small"),
        pytest.param("a: .nan", "there is no setting `a`", id="not a number"),
        pytest.param(
            "\n".join(f"k{n}: 1" for n in range(4_000)), "no setting `k15`", id="unknown keys"
        ),
        pytest.param(
            "a: &x [*x]", "`*x` stands within what it stands for", id="a list within itself"
        ),
    ],
)
def test_a_text_beyond_every_measure_is_refused_in_words(tmp_path, text, said):
    assert said in loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": 10**9}, "search.seeds: must be at most 10,000, but got `1000000000`"),
        ({"seeds": list(range(9_000)), "configurations": 1000}, "at most 1,000,000 trials"),
        ({"configurations": 10**6}, "search.configurations: must be at most 100,000"),
        (
            {"sampler": "grid", "space": {"training.epochs": {"low": 1, "high": 10**7}}},
            "a grid has at most 100,000 points, but got 10,000,000",
        ),
        (
            {"space": {"regularizer.beta": [n / 20_000 for n in range(5_000)]}},
            "a list has at most 1,000 choices, but got 5,000; use a range",
        ),
        (
            {"space": {f"p{n}": {"low": 0, "high": 1} for n in range(400)}},
            "a space has at most 100 paths, but got 400",
        ),
        (
            {"space": {f"p{n}": list(range(900)) for n in range(9)}},
            "the lists of a space have at most 2,000 choices together",
        ),
        (
            {"space": {"training.learning_rate": {"low": 0.1, "high": 1.0, "step": 1e-300}}},
            "a range has at most 1,000,000,000 steps, but got step=1e-300",
        ),
        (
            {"space": {"training.learning_rate": {"low": -1e308, "high": 1e308}}},
            "`low` must be within ±1e+15",
        ),
        (
            {"space": {"regularizer.beta": {"low": 0.1, "high": 0.10000000000000002}}},
            "are as good as the same number",
        ),
        ({"space": {"regularizer": [{"name": {"a": 1}}]}}, "search.space.regularizer"),
        ({"configurations": []}, "search.configurations: must be a whole number, but got `[]`"),
        ({"trial": {"network": {"name": "lenet", "width": 10**12}}}, "trial.network"),
        ({"trial": {"dataset": {"name": "digits", "image_size": 10**9}}}, "trial.dataset"),
    ],
)
def test_a_setting_beyond_every_measure_is_refused_in_words(tmp_path, changes, said):
    assert said in loaded(tmp_path, sample(**changes))


@pytest.mark.parametrize("share", [1e-308, 5e-324, 1e300])
def test_a_share_that_no_machine_can_grant_is_refused(tmp_path, share):
    for key, said in (("gpus", "must be from 0"), ("cpus", "must be from 0.001 to 10,000")):
        text = f"{sample()}resources: {{{key}: {share}}}"
        assert f"resources.{key}: {said}" in loaded(tmp_path, text)


def test_a_flag_of_very_many_levels_is_refused(tmp_path):
    flag = f"{'a.' * 20_000}a=1"
    assert "must be DOTTED.PATH=VALUE" in loaded(tmp_path, sample(), overrides=(flag,))


# Names


@pytest.mark.parametrize("name", ["../../x", "..", "/tmp/x", "a/b", "x' or 1 = '1", "", "a b", "é"])
def test_a_name_that_is_no_name_is_refused_wherever_it_is_said(tmp_path, name):
    data = study_data()
    data["scales"][name] = {}
    rule = "must be letters and digits"
    assert rule in loaded(tmp_path, yaml.safe_dump(data))
    assert rule in loaded(tmp_path, yaml.safe_dump(data), scale=name)
    assert rule in loaded(tmp_path, sample(name=name)) or not name
    assert loaded(tmp_path, sample(), overrides=(f"study={name}",))
    assert "there is no scale" in loaded(tmp_path, sample(), scale=name)


def test_a_name_too_long_for_a_folder_is_refused(tmp_path):
    assert "at most 100 characters" in loaded(tmp_path, sample(name="x" * 101))
    data = study_data()
    data["scales"]["x" * 101] = {}
    assert "at most 100 characters" in loaded(tmp_path, yaml.safe_dump(data))


# What steers a terminal


@pytest.mark.parametrize("escape", ["\\e[2J", "\\a", "\\b", "\\u202E", "\\u2066", "\\x9b", "\\0"])
def test_a_control_character_is_refused_and_never_shown(tmp_path, escape):
    text = sample().replace("How much of the target should be the local label?", f'"a{escape}b"')
    assert "a text holds no control characters, but got U+" in loaded(tmp_path, text)
    assert "no control characters" in loaded(tmp_path, f'{sample()}"k{escape}": 1')


def test_a_flag_or_a_file_name_with_control_characters_is_shown_written_out(tmp_path):
    said = loaded(tmp_path, sample(), overrides=("\x1b[31mred",))
    assert "\\x1b[31mred" in said
    assert "\\x1b" in loaded(tmp_path, sample(), scale="\x1b[2J")
    with pytest.raises(StudyFileError) as error:
        load_study(tmp_path / "\x1b[31m.yaml")
    assert "\x1b" not in str(error.value)


def test_a_lone_surrogate_is_refused(tmp_path):
    text = sample().replace("How much", '"a\\ud800b" #')
    assert "this is not YAML" in loaded(tmp_path, text) or "no control" in loaded(tmp_path, text)
    assert loaded(tmp_path, sample().replace("How", "\ud800"))
    assert loaded(tmp_path, sample(), overrides=("question=a\udc80b",))


# What is no file


def test_a_pipe_a_folder_and_a_device_are_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path, "/dev/zero"):
        with pytest.raises(StudyFileError, match="it is not a regular file"):
            load_study(type(tmp_path)(path))


# By chance

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(ODD_NUMBERS),
    st.integers(-5, 40),
    st.floats(0, 2),
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=8),
)
ranges = st.fixed_dictionaries(
    {"low": st.sampled_from(ODD_NUMBERS), "high": st.sampled_from(ODD_NUMBERS)},
    optional={"step": scalars, "log": scalars},
)
keys = st.one_of(st.sampled_from(ODD_KEYS), st.text(max_size=4))
values = st.recursive(
    st.one_of(scalars, ranges),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=8,
)


def places(data, at=()):
    """All paths of nested data, by keys and indices."""
    yield at
    if isinstance(data, dict | list):
        for key, inner in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(inner, (*at, key))


@st.composite
def mutated_studies(draw):
    """A valid study with a few parts changed, added or left out."""
    bases = [
        study_data(),
        study_data(sampler="grid", space={"regularizer.beta": [0.1, 0.2], "training.epochs": [1]}),
        study_data(
            space={"regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.1, 0.9]}]},
            enqueue=[{"regularizer": "vanilla"}],
            early_stopping={"name": "asha"},
        ),
    ]
    data = copy.deepcopy(draw(st.sampled_from(bases)))
    data |= {"resources": {"gpus": 0, "cpus": 1}, "checkpoints": {"at_least_every_seconds": 5}}
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([p for p in places(data) if p]))
        part = data
        for key in above:
            part = part[key]
        match draw(st.integers(0, 3)):
            case 0 if isinstance(part, dict):
                part[draw(keys)] = draw(values)
            case 1:
                del part[last]
            case _:
                part[last] = draw(values)
    return data


WORDS = [
    *("study", "trial", ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "'", '"'),
    *("#", "|\n", "!!", "!!int ", "? ", ", ", "---\n", "%YAML 1.2\n", "\t", "é", "\x00", "0", "1e"),
    *("low", "high", "search", "scales", "include: ", "name", "null", "\ufeff"),
]


@st.composite
def mutated_texts(draw):
    """The text of a valid study with pieces taken out and put in."""
    text = sample()
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 30)))
        text = text[:begin] + draw(st.sampled_from(WORDS) | st.text(max_size=3)) + text[end:]
    return text


def check_mutated_study(tmp_path, data):
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    loaded(tmp_path, text)
    loaded(tmp_path, text, scale="paper", overrides=("search.seeds=3",))


def check_text(tmp_path, text):
    loaded(tmp_path, text)
    loaded(tmp_path, sample(), overrides=(f"search={text}", f"trial.training.{text}=3"))


def check_space(section):
    try:
        searched = space.parse_space(section)
    except space.SpaceError as error:
        assert str(error)
        return
    for point in file_points.end_combinations(searched, most=50):
        assert file_points.is_point_of(point, searched)
        file_points.apply_point({}, point, {p: d for p, d in searched.items() if "." not in p})


texts = st.one_of(mutated_texts(), st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
sections = st.dictionaries(keys, values, max_size=3)
shared = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
SHORT = settings(max_examples=100, derandomize=True, **shared)
LONG = settings(max_examples=5000, **shared)


@SHORT
@given(data=mutated_studies())
def test_a_mutated_study_is_valid_or_refused_in_words(tmp_path, data):
    check_mutated_study(tmp_path, data)


@SHORT
@given(text=texts)
def test_a_mutated_text_is_valid_or_refused_in_words(tmp_path, text):
    check_text(tmp_path, text)


@SHORT
@given(section=sections)
def test_any_space_is_valid_or_refused_in_words(section):
    check_space(section)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@LONG
@given(data=mutated_studies())
def test_thousands_of_mutated_studies_are_valid_or_refused_in_words(tmp_path, data):
    check_mutated_study(tmp_path, data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@LONG
@given(text=texts)
def test_thousands_of_mutated_texts_are_valid_or_refused_in_words(tmp_path, text):
    check_text(tmp_path, text)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@LONG
@given(section=sections)
def test_thousands_of_spaces_are_valid_or_refused_in_words(section):
    check_space(section)


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path):
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"study: sample\n" + b"# x\n" * 5000 + "question: é\n".encode("latin-1"))
    with pytest.raises(StudyFileError) as caught:
        load_study(file)
    assert f"{file}:5002: byte 0xe9 is no UTF-8; save the file as UTF-8" in str(caught.value)
