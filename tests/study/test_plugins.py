"""The key `plugins`: own components in validation, hints, keys, the schema and launches."""

import json
from pathlib import Path

import pytest
import yaml

from analysis import report
from study import launch, schema
from study.file.resolved import load_study
from study.file.schema import json_schema
from tests.own_components import NOISE, TWO_MORE
from tests.study.launching import Folder
from tests.study.sample import refusal, study_data
from trainables import plugins
from trainables.node_checks import NodeQuestion, look_around
from trainables.own_components import PACKAGES, wrong_defaults
from trainables.own_modules import OwnModule


@pytest.fixture(autouse=True)
def known_before():
    before = plugins.known_set()
    yield
    plugins.know_only(before)


def own_study(**options):
    data = study_data(
        space={"regularizer.sigma": {"low": 0.0, "high": 1.0}},
        trial={"regularizer": {"name": "own_noise"}},
        **options,
    )
    return {**data, "plugins": ["./methods.py"]}


@pytest.fixture
def written(tmp_path):
    """Write a study file, and the user's methods beside it."""

    def written(data, methods=NOISE, name="own.yaml"):
        if methods is not None:
            (tmp_path / "methods.py").write_text(methods)
        file = tmp_path / name
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        return file

    return written


def test_an_own_component_and_its_fields_are_validated_as_any_other(written):
    study = load_study(written(own_study()))
    assert study.configuration({"regularizer.sigma": 0.25}).regularizer.sigma == 0.25
    assert [module.shown_name for module in study.own_modules] == ["methods.py"]
    assert study.as_dict()["plugins"] == {"methods.py": study.own_modules[0].digest}


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("trial.regularizer.name=own_nois", "did you mean `own_noise`?"),
        ("trial.regularizer.sigmo=1", "did you mean `sigma`?"),
        ("search.space={regularizer.sigma: {low: -1.0, high: 1.0}}", "must be at least 0, but got"),
        ("trial.regularizer.beta=0.5", "own_noise would ignore `beta`, a setting of lamix"),
    ],
)
def test_hints_know_own_components(written, flag, said):
    file = written(own_study())
    assert said in refusal(file, overrides=(flag,))


def test_a_method_that_does_not_train_is_planned_in_a_line_with_its_place(
    written, tmp_path, monkeypatch, capsys
):
    methods = NOISE.replace("settings.sigma", "settings.sgma")
    line = next(n for n, text in enumerate(methods.splitlines(), 1) if "settings.sgma" in text)
    file = written(own_study(), methods)
    monkeypatch.chdir(tmp_path)
    assert launch.main([str(file), "--plan"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'methods.py'}:{line}: AttributeError: " in said and "sgma" in said
    assert "Traceback" not in said


def test_a_misspelt_setting_of_an_own_component_is_meant_elsewhere_in_the_tree(written):
    told = refusal(written(own_study()), overrides=("trial.sigma=0.3",))
    assert "did you mean `trial.regularizer.sigma`?" in told


def test_a_study_without_the_plugin_knows_nothing_of_it(written):
    load_study(written(own_study()))
    data = {key: value for key, value in own_study().items() if key != "plugins"}
    assert "there is no regularizer `own_noise`" in refusal(written(data))


def test_two_studies_of_one_process_keep_their_own_methods_apart(written, tmp_path):
    first = load_study(written(own_study()))
    other = tmp_path / "other"
    other.mkdir()
    (other / "methods.py").write_text(NOISE.replace("= 0.1", "= 0.9"))
    (other / "own.yaml").write_text((tmp_path / "own.yaml").read_text())
    second = load_study(other / "own.yaml")
    made = [study.configuration({"regularizer.sigma": 0.5}) for study in (first, second, first)]
    assert type(made[0].regularizer) is type(made[2].regularizer)
    assert type(made[0].regularizer) is not type(made[1].regularizer)


def test_the_files_of_an_included_file_are_seen_from_it(written, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "methods.py").write_text(NOISE)
    (shared / "base.yaml").write_text("plugins: [./methods.py]\n")
    data = {key: value for key, value in own_study().items() if key != "plugins"}
    study = load_study(written({"include": "shared/base.yaml", **data}, methods=None))
    assert study.own_modules[0].file == str(shared / "methods.py")


@pytest.mark.parametrize(
    ("methods", "plugin", "said"),
    [
        (None, "./methods.py", "methods.py: cannot be read: No such file or directory"),
        (None, "my_package.methods", "there is no module `my_package` here; install its package"),
        (None, "os path", "there is no module `os path` here"),
        (NOISE.replace("@settings\n", ""), "./methods.py", "methods.py:13: class Settings: needs"),
        (NOISE.replace("def build", "def build("), "./methods.py", "is no Python"),
        (NOISE.replace("own_noise", "mixup"), "./methods.py", "is the name of a regularizer of"),
    ],
)
def test_a_wrong_plugin_is_told_with_the_line_of_the_study_file(written, methods, plugin, said):
    told = refusal(written({**own_study(), "plugins": [plugin]}, methods=methods))
    text = yaml.safe_dump({**own_study(), "plugins": [plugin]}, sort_keys=False)
    line = 1 + text.splitlines().index("plugins:")
    assert f"own.yaml:{line}: plugins[0]: " in told and said in told


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ('"x"', "the default of `sigma` should be a valid number, but is 'x'"),
        ("-1.0", "the default of `sigma` should be greater than or equal to 0, but is -1.0"),
        ("None", "the default of `sigma` should be a valid number, but is None"),
    ],
)
def test_a_default_that_its_setting_does_not_take_is_told_with_its_line(written, default, said):
    methods = NOISE.replace("sigma: NonNegative = 0.1", f"sigma: NonNegative = {default}")
    line = next(n for n, text in enumerate(methods.splitlines(), 1) if "sigma: Non" in text)
    told = refusal(written(own_study(), methods))
    assert f"methods.py:{line}: class Settings: {said}" in told


def test_the_defaults_of_all_components_are_what_their_settings_take():
    for package in PACKAGES.values():
        for cls in plugins.settings_classes(package).values():
            assert list(wrong_defaults(cls)) == []


def test_a_wrong_plugin_of_a_flag_is_blamed_on_the_flag(written):
    told = refusal(written(own_study()), overrides=("plugins=[./nowhere.py]",))
    assert told.startswith(str(written(own_study()))) and " (--set): plugins[0]: " in told


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("return OwnNoise(self", "return OwnNois(self", "return OwnNois(", "NameError"),
        ("    def compare(", "    def compares(", "return OwnNoise(", "abstract method"),
    ],
)
def test_a_regularizer_that_cannot_be_built_is_told_before_anything_starts(
    written, old, new, at, said
):
    methods = NOISE.replace(old, new)
    line = next(n for n, text in enumerate(methods.splitlines(), 1) if at in text)
    told = refusal(written(own_study(), methods))
    assert f"methods.py:{line}: cannot be built: " in told and said in told


def test_a_network_that_cannot_be_built_is_told_with_its_line(written):
    methods = NOISE + TWO_MORE.replace("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveAvgPool3d()")
    line = next(n for n, text in enumerate(methods.splitlines(), 1) if "Pool3d" in text)
    data = own_study()
    data["trial"]["network"] = {"name": "one_stage"}
    assert f"methods.py:{line}: cannot be built: TypeError" in refusal(written(data, methods))


def test_the_schema_has_own_components_where_they_are_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("methods.py").write_text(NOISE + TWO_MORE)
    assert schema.main(["own.json", "--plugins", "./methods.py"]) == 0
    assert schema.main(["plain.json"]) == 0
    own, plain = (Path(name).read_text() for name in ("own.json", "plain.json"))
    for word in ("own_noise", "one_stage", '"halves"', "regularizer.sigma", "Standard deviation"):
        assert word in own and word not in plain
    assert json.loads(plain) == json_schema()
    Path("methods.py").write_text("import nothing_at_all")
    assert schema.main(["own.json", "--plugins", "./methods.py"]) == 2
    assert "methods.py:1: cannot be imported: ModuleNotFoundError" in capsys.readouterr().err


def test_a_node_without_the_users_module_says_so(tmp_path):
    absent = OwnModule("absent_methods.noise", "/there/noise.py", "00", root="/there")
    question = NodeQuestion(
        datasets=[{"name": "digits"}],
        data=tmp_path,
        checkpoints=str(tmp_path),
        token="token",
        own_modules=(absent,),
    )
    sight = look_around(question)
    assert "there is no module `absent_methods` here; install its package" in sight.own_modules
    assert sight.fingerprints == ()


LAUNCHED = """
study: small
question: Does noise help?
plugins: [./methods.py]
trial:
  dataset: {name: halves, validation: 0.2}
  network: {name: one_stage}
  training: {epochs: 1, batch_size: 30, learning_rate: 0.05, milestones: []}
search:
  sampler: grid
  seeds: 1
  space: {regularizer: [{name: vanilla}, {name: own_noise, sigma: [0.5]}]}
"""


@pytest.mark.slow
def test_a_file_of_the_users_trains_and_is_reported_where_the_file_is_gone(
    tmp_path, monkeypatch, capsys
):
    folder = Folder(tmp_path, LAUNCHED)
    (tmp_path / "methods.py").write_text(NOISE + TWO_MORE)
    folder.launch()
    runs = {run.data.params["regularizer.name"]: run for run in folder.runs()}
    assert {run.data.tags["outcome"] for run in runs.values()} == {"completed"}
    assert runs["own_noise"].data.params["regularizer.sigma"] == "0.5"
    (parent,) = folder.runs("study")
    left = {file.path for file in folder.client.list_artifacts(parent.info.run_id, "plugins")}
    assert left == {"plugins/methods.py"}

    (tmp_path / "methods.py").unlink()
    monkeypatch.chdir(tmp_path)
    assert launch.main(["small.yaml", "--plan"]) == 2
    told = capsys.readouterr().err
    assert "small.yaml:4: plugins[0]: methods.py: cannot be read: No such file" in told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", folder.uri)
    assert report.main(["small"]) == 0
    assert "own_noise" in (tmp_path / "reports/small-full/report.html").read_text()
