import json

import pytest

from analysis import compare
from analysis.tables import comparison
from analysis.tables.counterparts import side_by_side
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
    # Seed 17 has no partner: six pairs, and the sign flips reach 2 / 2^6.
    assert "  6  " in line and line.split()[-2:] == [".0312", ".0312"]
    assert out.splitlines()[-1].split() == ["regularizer.name", "LaMix", "Mixup"]


def test_what_cannot_be_compared_is_exit_2(capsys):
    assert compare.main(["ours", "theirz"]) == 2
    assert "did you mean `theirs`?" in capsys.readouterr().err
    assert compare.main(["ours", "nothing", "--json"]) == 2
    assert "no configuration has run in full" in capsys.readouterr().err
    assert compare.main(["ours", "theirs:quik"]) == 2
    assert "did you mean `quick`?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        compare.main(["ours"])
    assert stopped.value.code == 2


def test_a_colon_may_be_part_of_a_name(store):
    store.start("a:b").add_all([BASE], [0, 1])
    assert comparison.compared_study("a:b").info.scale == "quick"
    assert comparison.compared_study("a:b:quick").info.study == "a:b"


def test_three_studies_are_corrected_together():
    entries = [comparison.compared_study(name) for name in ("ours", "theirs", "theirs:quick")]
    grid = side_by_side(entries)[1]
    assert [row[-1].text for row in grid.rows] == [".0625", ".0625"]  # 2 x .0312


def table_study(store, name, *, fingerprint="feedfacefeedface", changes=()):
    """A study that selects nothing, over two networks and two methods."""
    study = store.start(name, objective="train_loss", space={"network": [], "regularizer": []})
    for network, shift in (("lenet", 5.0), ("resnet50", 0.0)):
        for method, more in (("mixup", 1.0), ("lamix", 0.0)):
            settings = {**BASE, "network.name": network, "regularizer.name": method}
            for seed in range(3):
                study.add({**settings, **dict(changes)}, seed, test=10 + shift + more + 0.1 * seed,
                          tags={"data_fingerprint": fingerprint})  # fmt: skip
    return study


def cells(grid):
    return [[cell.text for cell in row] for row in grid.rows]


def test_of_studies_that_select_nothing_like_stands_beside_like(store):
    table_study(store, "one")
    table_study(store, "two", changes={"training.learning_rate": 0.2})
    entries = [comparison.compared_study(name) for name in ("one", "two")]
    numbers, contrasts, differing = side_by_side(entries)
    assert len(numbers.rows) == 8 and len(contrasts.rows) == 4
    for reference, other in zip(cells(numbers)[::2], cells(numbers)[1::2], strict=True):
        assert (reference[0], other[0]) == ("one", "two") and reference[1] == other[1]
    assert "best" not in " ".join(numbers.names)
    assert [row[0] for row in cells(differing)] == ["training.learning_rate"]


def test_configurations_without_their_like_are_counted(store):
    study = store.start("half", objective="train_loss", space={"network": []})
    for seed in range(3):
        study.add({**BASE, "network.name": "lenet", "regularizer.name": "mixup"}, seed, test=11.0)
    entries = [comparison.compared_study(name) for name in ("one", "half")]
    numbers = side_by_side(entries)[0]
    assert len(numbers.rows) == 2
    assert "3 configurations of one without a like in the other studies." in numbers.notes


def test_studies_without_their_like_are_exit_2(store, capsys):
    study = store.start("apart", objective="train_loss", space={"network": []})
    for seed in range(3):
        study.add({**BASE, "network.name": "densenet121"}, seed, test=11.0)
    assert compare.main(["one", "apart"]) == 2
    assert "they differ in network.name" in capsys.readouterr().err


def test_other_data_are_warned_of(store):
    table_study(store, "images", fingerprint="0000000000000000")
    warned = side_by_side([comparison.compared_study(n) for n in ("one", "images")])
    assert any("fingerprints" in note for note in warned[0].notes)
    table_study(store, "less", changes={"dataset.validation": 0.5})
    notes = side_by_side([comparison.compared_study(n) for n in ("one", "less")])[0].notes
    assert any("dataset.validation not the same" in note for note in notes)
    other = side_by_side([comparison.compared_study(n) for n in ("one", "one")])[0].notes
    assert not any("data" in note for note in other)


def test_on_different_data_sets_no_difference_is_given(store):
    table_study(store, "mnist", changes={"dataset.name": "mnist"})
    grids = side_by_side([comparison.compared_study(n) for n in ("one", "mnist")])
    assert any("Different data sets" in note for note in grids[0].notes)
    assert not any(grid.title.startswith("Minus") for grid in grids)


def test_the_test_error_that_is_asked_for_is_compared(capsys):
    assert compare.main(["ours", "theirs:quick", "--test", "last10"]) == 0
    assert "test error, median of the last 10 epochs" in capsys.readouterr().out


def test_a_comparison_is_a_document_for_programs(capsys):
    assert compare.main(["ours", "theirs:quick", "--json"]) == 0
    document = checked(capsys.readouterr().out)
    ours, theirs = document["studies"]
    assert document["reference"] == ours["label"] == "ours"
    assert document["reported"] == "test_error_last"
    (best,), (other,) = ours["configurations"], theirs["configurations"]
    assert best["settings"] == "regularizer.beta = 0.5"
    assert best["test_error_by_seed"]["1"] == 5.0 and len(other["test_error_by_seed"]) == 7


def notes_of(*labels):
    return side_by_side([comparison.compared_study(label) for label in labels])[0].notes


def test_a_study_whose_best_ties_says_so(store, capsys):
    study = store.start("tied", space={"regularizer.beta": [0.3, 0.5, 0.7]})
    for beta, errors in ((0.3, (9.1, 9.2, 9.3)), (0.5, (9.3, 9.1, 9.2)), (0.7, (9.9, 9.9, 9.9))):
        for seed, error in enumerate(errors):
            study.add({**BASE, "regularizer.beta": beta}, seed, error=error)
    said = (
        "2 configurations of tied share the lowest validation error: regularizer.beta = 0.3 stands "
        "for them; as low: regularizer.beta = 0.5."
    )
    assert said in notes_of("tied", "theirs")
    assert compare.main(["tied", "theirs", "--json"]) == 0
    assert said in checked(capsys.readouterr().out)["remarks"]
    assert not any("share the lowest" in note for note in notes_of("ours", "theirs"))


def test_a_study_of_several_objectives_says_which_of_its_best_stands_for_them(store):
    objectives = ["validation_error", "test_error_last"]
    study = store.start("front", space={"regularizer.beta": []}, objective=objectives)
    for beta, error, test in ((0.3, 9.0, 2.0), (0.5, 8.0, 3.0)):
        for seed in range(3):
            study.add({**BASE, "regularizer.beta": beta}, seed, error=error, test=test)
    (said,) = [note for note in notes_of("front", "theirs") if "stands for them" in note]
    assert said.startswith(
        "2 configurations of front are best, for none is better in one objective"
    )
    assert said.endswith("regularizer.beta = 0.5, the lowest in validation error, stands for them.")


def test_each_data_set_of_a_study_has_its_own_best_in_a_comparison(store):
    for name, method in (("sets", "lamix"), ("other_sets", "mixup")):
        study = store.start(name, space={"dataset.name": [], "regularizer.beta": []})
        for data in ("digits", "mnist"):
            for seed in range(3):
                settings = {**BASE, "dataset.name": data, "regularizer.name": method}
                study.add(settings, seed, error=5.0 + seed)
    entries = [comparison.compared_study(name) for name in ("sets", "other_sets")]
    assert [len(entry.configurations) for entry in entries] == [2, 2]
    assert len(side_by_side(entries)[1].rows) == 2


LOOP, MIXUP, LAMIX = (f"trainables.{name}" for name in ("training", "mixup", "lamix"))


def coded_study(store, name, method, digest, details=None, *, tags=()):
    study = store.start(name)
    for seed in range(3):
        settings = {**BASE, "regularizer.name": method}
        study.add(settings, seed, error=5.0 + seed, tags={"code": digest, **dict(tags)})
    if details is not None:
        text = json.dumps({"digests": {digest: details}, "parts": {}})
        store.client.log_text(study.run_id, text, "provenance/code.json")


def test_results_of_codes_that_differ_in_what_both_use_are_told_apart(store):
    torch = {"torch": "2.9.0"}
    coded_study(
        store, "c1", "lamix", "a" * 16, {"modules": {LOOP: "1", LAMIX: "1"}, "versions": torch}
    )
    coded_study(
        store, "c2", "mixup", "b" * 16, {"modules": {LOOP: "1", MIXUP: "1"}, "versions": torch}
    )
    coded_study(
        store, "c3", "mixup", "c" * 16,
        {"modules": {LOOP: "2", MIXUP: "1"}, "versions": {"torch": "2.10.0"}},
    )  # fmt: skip
    assert not any("code" in note for note in notes_of("c1", "c2"))  # each has its own modules too
    (said,) = [note for note in notes_of("c1", "c2", "c3") if "code" in note]
    assert said == (
        "Other code: that of c3 differs from that of c1 (trainables.training, torch 2.9.0 and "
        "2.10.0), and nothing proves that both compute the same."
    )


def test_other_digests_of_the_same_method_are_told_where_nothing_else_is_on_record(store):
    coded_study(store, "d1", "lamix", "a" * 16)
    coded_study(store, "d2", "lamix", "b" * 16)
    coded_study(store, "d3", "lamix", "c" * 16, tags={"code_proved": "a" * 16})
    coded_study(store, "d4", "lamix", "b" * 16, tags={"code_kept": "a" * 16})
    assert any("not on record" in note for note in notes_of("d1", "d2"))
    assert not any("code" in note for note in notes_of("d1", "d3"))  # proven equal
    kept = [note for note in notes_of("d1", "d4") if "kept" in note]
    assert kept[0].startswith("d4: 3 trials were computed by other code (digest bbbbbbbbbbbbbbbb)")


def test_trials_without_a_digest_of_code_beside_those_with_one_are_told(store):
    coded_study(store, "e1", "lamix", "a" * 16)
    coded_study(store, "e2", "lamix", "")  # of a version that took none
    coded_study(store, "e3", "lamix", "")
    (said,) = [note for note in notes_of("e1", "e2") if "code" in note.lower()]
    assert said.startswith("Code not on record of e2, or of the like in e1")
    assert not any("code" in note.lower() for note in notes_of("e2", "e3"))
