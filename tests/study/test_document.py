import math

import pytest

from study.file import document
from study.file.document import (
    DocumentSection,
    as_plain_data,
    line_of,
    override_document,
    parse_flags,
    parse_yaml,
)
from study.file.problems import StudyFileError

TEXT = """\
study: beta
trial:
  regularizer: {name: lamix, beta: 0.3}
  training:
    epochs: 4

search:
  space:
    regularizer.beta: {low: 0.1, high: 0.9}
    regularizer.smoothing: [0, 0.1]
  enqueue:
    - {regularizer.beta: 0.5}
    - regularizer.beta: 0.7
      regularizer.smoothing: 0
"""


def base():
    return parse_yaml(TEXT, "beta.yaml")


def laid(base, patch):
    """The YAML text `patch` over the YAML text `base`, as plain data."""
    return as_plain_data(override_document(parse_yaml(base, "base"), parse_yaml(patch, "patch")))


def with_flags(text, *settings):
    return as_plain_data(override_document(parse_yaml(text, "base"), parse_flags(settings)))


def refused(text):
    with pytest.raises(StudyFileError) as error:
        parse_yaml(text, "beta.yaml")
    return str(error.value)


# Reading


def test_every_key_knows_its_line():
    found = base()
    assert found.lines == {"study": 1, "trial": 2, "search": 7}
    assert found["trial"].lines == {"regularizer": 3, "training": 4}
    assert found["trial"]["training"].lines == {"epochs": 5}
    assert found["search"]["enqueue"][1].lines == {
        "regularizer.beta": 13,
        "regularizer.smoothing": 14,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-2e-1", -0.2),
        ("+5e+1", 50.0),
        ("1.e2", 100.0),
        (".5e1", 5.0),
        ("1.5e3", 1500.0),
    ],
)
def test_a_number_with_an_exponent_and_no_dot_is_a_number(text, value):
    found = parse_yaml(f"a: {text}", "f")["a"]
    assert isinstance(found, float)
    assert found == value


@pytest.mark.parametrize("text", ["e3", "1e", "1e3x", "1-e3", "--1e3"])
def test_what_only_looks_like_a_number_is_a_text(text):
    assert parse_yaml(f"a: {text}", "f")["a"] == text


def test_integers_infinities_and_dates_are_read_as_in_yaml_1_2():
    found = parse_yaml("{a: 3, b: .inf, c: 2020-01-01, d: 'x'}", "f")
    assert as_plain_data(found) == {"a": 3, "b": math.inf, "c": "2020-01-01", "d": "x"}
    assert isinstance(found["a"], int)


def test_a_key_given_twice_is_refused_with_its_line():
    assert refused("a: 1\nb: 2\na: 3\n") == "beta.yaml:3: this is not YAML: `a` is given twice"
    assert refused("x:\n  - {b: 1,\n     b: 2}\n").startswith("beta.yaml:3:")


def test_where_the_text_stops_being_yaml_is_said():
    assert refused("a: 1\nb: [1, 2\n").startswith("beta.yaml:3: this is not YAML: ")
    assert refused("a: &x {b: *x}").startswith("beta.yaml:1: this is not YAML: ")
    assert "\n" not in refused("a: \x00")


def test_no_python_object_is_built():
    assert "this is not YAML" in refused("a: !!python/object/apply:os.getcwd []")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(StudyFileError, match="missing.yaml: cannot be read: .*No such file"):
        document.read_document(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyFileError, match="binary.yaml:1: byte 0xff is no UTF-8"):
        document.read_document(tmp_path / "binary.yaml")


@pytest.mark.parametrize("text", ["", "- a\n", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "list.yaml").write_text(text)
    with pytest.raises(StudyFileError, match="must be a mapping with the keys study"):
        document.read_document(tmp_path / "list.yaml")


# Overriding


def test_mappings_merge_and_other_values_replace():
    assert laid("{a: {b: 1, c: 2}, d: [1, 2]}", "{a: {c: 3}, d: [4]}") == {
        "a": {"b": 1, "c": 3},
        "d": [4],
    }
    assert laid("{a: 1}", "{a: {b: 2}}") == {"a": {"b": 2}}
    assert laid("{a: {b: 2}}", "{a: null}") == {"a": None}


def test_neither_side_is_changed():
    first, second = base(), parse_yaml("{trial: {training: {epochs: 9}, network: {name: x}}}", "f")
    override_document(first, second)
    assert first == base()
    assert first["trial"].lines == base()["trial"].lines
    assert as_plain_data(second) == {"trial": {"training": {"epochs": 9}, "network": {"name": "x"}}}


def test_another_name_replaces_the_whole_component():
    assert laid("r: {name: lamix, beta: 0.3}", "r: {name: vanilla}") == {"r": {"name": "vanilla"}}
    assert laid("r: {name: lamix, beta: 0.3}", "r: {name: lamix, smoothing: 0.1}") == {
        "r": {"name": "lamix", "beta": 0.3, "smoothing": 0.1}
    }
    assert laid("r: {beta: 0.3}", "r: {name: lamix}") == {"r": {"beta": 0.3, "name": "lamix"}}


def test_dotted_keys_are_paths():
    assert laid("{a: {b: {c: 1, d: 2}}}", "{a.b.c: 3, a.e: 4}") == {
        "a": {"b": {"c": 3, "d": 2}, "e": 4}
    }


@pytest.mark.parametrize(
    "patch",
    [
        "{r.name: mixup, r.alpha: 0.5}",
        "{r.alpha: 0.5, r.name: mixup}",
        "r: {name: mixup, alpha: 0.5}",
    ],
)
def test_the_order_of_a_new_name_and_its_settings_does_not_matter(patch):
    assert laid("r: {name: lamix, beta: 0.3}", patch) == {"r": {"name": "mixup", "alpha": 0.5}}


def test_the_keys_of_the_space_are_whole_paths():
    patch = "{search: {space: {regularizer.beta: [0.1, 0.2]}}}"
    assert as_plain_data(override_document(base(), parse_yaml(patch, "f")))["search"]["space"] == {
        "regularizer.beta": [0.1, 0.2],
        "regularizer.smoothing": [0, 0.1],
    }


def test_a_searched_path_is_replaced_as_one():
    found = laid("{search: {space: {a.b: {low: 1, high: 2}}}}", "{search.space.a.b: {low: 0}}")
    assert found == {"search": {"space": {"a.b": {"low": 0}}}}


def test_null_removes_a_searched_path():
    text = "{search: {space: {a.b: [1], c: [2]}}}"
    left = {"search": {"space": {"c": [2]}}}
    assert laid(text, "{search: {space: {a.b: null}}}") == left
    assert laid(text, "{search: {space: {a.b: null, x.y: null}}}") == left
    assert laid(text, "{search.space.a.b: null, search.sampler: tpe}") == {
        "search": {**left["search"], "sampler": "tpe"}
    }
    assert with_flags(text, "search.space.a.b=null") == left


# Flags


def test_a_flag_is_a_path_and_a_value_in_yaml():
    assert with_flags("{a: {b: 1}}", "a.b=1e-3", "c=[1, 2]", "d={x: true}", "e=x=y", "f=") == {
        "a": {"b": 0.001},
        "c": [1, 2],
        "d": {"x": True},
        "e": "x=y",
        "f": None,
    }


def test_a_later_flag_is_the_stronger():
    assert with_flags("{a: {b: 1, c: 2}}", "a.b=3", "a.b=4") == {"a": {"b": 4, "c": 2}}


@pytest.mark.parametrize(
    "settings", [("r.beta=0.7", "r.name=lamix"), ("r.name=lamix", "r.beta=0.7")]
)
def test_flags_of_one_component_do_not_undo_each_other(settings):
    wanted = {"r": {"name": "lamix", "beta": 0.7}}
    assert with_flags("r: {name: vanilla, smoothing: 0.1}", *settings) == wanted


@pytest.mark.parametrize("setting", ["seeds", "=5", "a..b=1", ".a=1", "a.=1", ""])
def test_a_flag_that_is_no_assignment_is_refused(setting):
    with pytest.raises(StudyFileError) as error:
        parse_flags([setting])
    assert str(error.value) == f"--set: must be DOTTED.PATH=VALUE, but got `{setting}`"


def test_a_flag_whose_value_is_not_yaml_is_refused_by_name():
    with pytest.raises(StudyFileError, match=r"^--set search.seeds:1: this is not YAML"):
        parse_flags(["search.seeds=[1, 2"])


# Lines


def test_the_line_of_the_deepest_known_part_is_found():
    assert line_of(base(), ["trial", "training", "epochs"]) == 5
    assert line_of(base(), ["trial", "training", "batch_size"]) == 4
    assert line_of(base(), ["search", "space", "regularizer.beta"]) == 9
    assert line_of(base(), ["search", "enqueue", 1, "regularizer.smoothing"]) == 14
    assert line_of(base(), ["search", "enqueue", 7]) == 11
    assert line_of(base(), ["nothing"]) is None


def test_what_a_scale_changes_has_the_scales_line_and_the_rest_its_own():
    patch = parse_yaml("\n" * 20 + "{trial.training.epochs: 9, trial.network.name: x}", "f")
    found = override_document(base(), patch)
    assert line_of(found, ["trial", "training", "epochs"]) == 21
    assert line_of(found, ["trial", "network", "name"]) == 21
    assert line_of(found, ["trial", "regularizer"]) == 3
    assert line_of(found, ["trial"]) == 2
    assert line_of(found, ["trial", "training"]) == 4


def test_what_a_flag_sets_has_the_flags_mark_throughout():
    found = override_document(
        base(),
        parse_flags(
            ["search.space={a.b: {low: 1, high: 2}}", "search.space.c=[1]", "x={y: {z: 1}}"]
        ),
    )
    assert line_of(found, ["search", "space", "a.b", "low"]) == document.FLAG
    assert line_of(found, ["search", "space", "c"]) == document.FLAG
    assert line_of(found, ["x", "y", "z"]) == document.FLAG
    assert line_of(found, ["search", "space", "regularizer.beta"]) == 9
    assert line_of(found, ["search"]) == 7


def test_a_component_renamed_by_a_scale_has_the_scales_line():
    patch = parse_yaml("\n" * 20 + "trial:\n  regularizer: {name: vanilla}", "f")
    assert line_of(override_document(base(), patch), ["trial", "regularizer", "smoothing"]) == 22


def test_plain_data_holds_no_section():
    assert type(as_plain_data(base())["search"]["enqueue"][0]) is dict
    assert as_plain_data({"a": (1, DocumentSection({"b": 2}))}) == {"a": [1, {"b": 2}]}
