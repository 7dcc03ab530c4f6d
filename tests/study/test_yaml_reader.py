import json

import pytest
import yaml

from study.file import yaml_reader
from study.file.document import as_plain_data
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from study.file.yaml_reader import parse_yaml
from tests.study.sample import study_data


def read(text):
    return as_plain_data(parse_yaml(text, "f.yaml"))


def refused(text):
    with pytest.raises(StudyFileError) as error:
        parse_yaml(text, "f.yaml")
    return str(error.value)


@pytest.fixture(params=["libyaml", "PyYAML alone"])
def parser(request, monkeypatch):
    """Read with either of PyYAML's parsers: the one in C is not built everywhere."""
    if request.param == "libyaml":
        pytest.importorskip("yaml._yaml")
    else:
        monkeypatch.setattr(yaml_reader, "_Parser", yaml.SafeLoader)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-08", -8),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E+2", -150.0),
        ("on", "on"),
        ("Off", "Off"),
        ("yes", "yes"),
        ("n", "n"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("=", "="),
        ("0,1,2", "0,1,2"),
    ],
)
def test_a_value_is_what_yaml_1_2_says(text, value):
    found = read(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


def test_what_json_writes_is_read_back():
    data = {"a": [1, -2.5, True, None, "x\n"], "b": {"c": {}, "d": []}, "e": 1e-07, "é": "é"}
    assert read(json.dumps(data)) == data


def test_keys_are_texts_as_they_are_written():
    assert read("{on: 1, 0.5: 2, ~: 3, 'a b': 4, 010: 5}") == {
        "on": 1,
        "0.5": 2,
        "~": 3,
        "a b": 4,
        "010": 5,
    }


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!timestamp 2020-01-01", "f.yaml:1: this is not YAML: the tag `!!timestamp` means"),
        ("a: !!set {x}", "the tag `!!set` means nothing here"),
        ("a: !own [x]", "the tag `!own` means nothing here"),
        ("a: !!int x", "f.yaml:1: `x` is no !!int"),
        ("a: !!int true", "`true` is no !!int"),
        ("a: 1\n? [x, y]\n: 2", "f.yaml:2: a key is a text, not a list or a mapping"),
        ("a: *x", "there is no anchor `&x` above"),
        ("a: 1\n---\nb: 2", "holds several documents; leave out the `---` between them"),
        ("a: {<<: 3}", "`<<` takes over a mapping, or a list of mappings"),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "`<<` is given twice"),
        ("question: Which is best: a or b?", "a text with `: ` in it needs quotes"),
        ("a:\n\tb: 1", "indent with spaces, not with tabs"),
        ("a: @x", "a text that begins so needs quotes"),
    ],
)
def test_what_is_no_data_is_refused_with_its_line_and_its_remedy(text, said):
    assert said in refused(text)


@pytest.mark.usefixtures("parser")
def test_merge_keys_take_over_what_is_not_said():
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {b: 0, <<: [*x, *y]}"
    assert read(text)["z"] == {"a": 1, "c": 4, "b": 0}
    assert read("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y, c: 3}")["z"] == {
        "a": 1,
        "b": 2,
        "c": 3,
    }
    assert read("z: {'<<': {a: 1}}")["z"] == {"<<": {"a": 1}}


def test_what_is_merged_keeps_the_line_where_it_is_written():
    found = parse_yaml("x: &x\n  a: 1\n  b: 2\ny:\n  <<: *x\n  b: 3", "f.yaml")["y"]
    assert found.lines == {"a": 2, "b": 6}


def test_an_anchor_of_a_scale_serves_another_scale(tmp_path):
    file = tmp_path / "merge.yaml"
    data = {key: value for key, value in study_data().items() if key != "scales"}
    file.write_text(
        f"{yaml.safe_dump(data)}scales:\n"
        "  quick: &quick\n    search: {seeds: 3}\n    trial.training.epochs: 7\n"
        "  fast:\n    <<: *quick\n    trial.training.epochs: 1\n  paper: {}\n"
    )
    point = {"regularizer.beta": 0.5}
    for scale, epochs in (("quick", 7), ("fast", 1)):
        study = load_study(file, scale=scale)
        assert study.search.seed_list == (0, 1, 2)
        assert study.configuration(point).training.epochs == epochs


def test_a_byte_order_mark_is_passed_over(tmp_path):
    file = tmp_path / "mark.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(study_data()).encode())
    assert load_study(file).name == "sample"


@pytest.mark.parametrize(
    ("flag", "remedy"),
    [
        ("trial.training.nesterov=on", "YAML 1.2 reads `on` as a text, so write true"),
        ("trial.training.nesterov=No", "YAML 1.2 reads `No` as a text, so write false"),
        ("search.seeds=0,1,2", "a list is written [0, 1, 2]"),
        ("trial.training.milestones=1, 2", "a list is written [1, 2]"),
        ("trial.training.batch_size=1_000", "write 1000"),
        ("trial.training.epochs=1:30", "YAML 1.2 reads digits with `:` as a text"),
        ("trial.training.epochs='10'", "leave out the quotes"),
        ("trial.training.nesterov='true'", "leave out the quotes"),
        ("trial.training.compile='false'", "leave out the quotes"),
    ],
)
def test_what_was_probably_meant_is_written_out(tmp_path, flag, remedy):
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(study_data()))
    with pytest.raises(StudyFileError) as error:
        load_study(file, overrides=(flag,))
    assert str(error.value).endswith(f"; {remedy}")
