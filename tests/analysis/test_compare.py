import pytest

from analysis import compare
from tests.analysis.record_writer import BASE
from tests.json_documents import checked


@pytest.fixture(scope="module")
def studies(store):
    lamix = store.start("ours", space={"regularizer.beta": [0.3, 0.5]})
    mixup = store.start("theirs", seeds=range(6))
    for seed in range(6):
        lamix.add({**BASE, "regularizer.beta": 0.5}, seed, error=3.0 + seed, test=4.0 + seed)
        lamix.add({**BASE, "regularizer.beta": 0.3}, seed, error=9.0, test=1.0)
        settings = {**BASE, "regularizer.name": "mixup"}
        mixup.add(settings, seed, error=4.0 + seed, test=5.0 + seed + 0.1 * (seed % 2))
    mixup.add({**BASE, "regularizer.name": "mixup"}, 17, error=9.0, test=50.0)
    store.start("nothing")
    return store


@pytest.fixture(autouse=True)
def here(studies, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", studies.uri)


def test_two_studies_are_paired_by_seed(capsys):
    assert compare.main(["ours", "theirs:quick"]) == 0
    out = capsys.readouterr().out
    assert "regularizer.beta = 0.5" in out  # chosen on validation, not the better test error
    assert "6.50 ± 1.87" in out
    line = next(line for line in out.splitlines() if " 1.05 " in line)
    assert line.split()[-3:] == ["6", ".0312", ".0312"]  # seed 17 has no partner; 2 / 2^6
    assert out.splitlines()[-1].split() == ["regularizer.name", "LaMix", "Mixup"]


def test_what_cannot_be_compared_is_exit_2(capsys):
    assert compare.main(["ours", "theirz"]) == 2
    assert "did you mean `theirs`?" in capsys.readouterr().err
    assert compare.main(["ours", "nothing"]) == 2
    assert "no configuration has run in full" in capsys.readouterr().err
    assert compare.main(["ours", "theirs:quik"]) == 2
    assert "did you mean `quick`?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        compare.main(["ours"])
    assert stopped.value.code == 2


def test_a_colon_may_be_part_of_a_name(store):
    store.start("a:b").add_all([BASE], [0, 1])
    assert compare.compared_study("a:b").info.scale == "quick"
    assert compare.compared_study("a:b:quick").info.study == "a:b"


def test_three_studies_are_corrected_together():
    entries = [compare.compared_study(name) for name in ("ours", "theirs", "theirs:quick")]
    grid = compare.side_by_side(entries)[1]
    assert [row[-1].text for row in grid.rows] == [".0625", ".0625"]  # 2 x .0312


def test_a_comparison_is_a_document_for_programs(capsys):
    assert compare.main(["ours", "theirs:quick", "--json"]) == 0
    document = checked(capsys.readouterr().out)
    ours, theirs = document["studies"]
    assert document["reference"] == ours["label"] == "ours"
    assert ours["best_configuration"] == "regularizer.beta = 0.5"
    assert ours["test_error_last"]["1"] == 5.0 and len(theirs["test_error_last"]) == 7
