"""The answer of a study in one sentence; `test_report.py` has it within a report."""

import pandas as pd

from analysis.report_page.headline import headline_of
from analysis.report_page.study_answers import study_answers
from analysis.tables import configurations
from analysis.tables.paired import contrasts_with_best


def said(factors, *rows):
    """Return the answer over rows of settings and a test error, one seed each."""
    frame = pd.DataFrame(
        [
            dict(zip(factors, settings, strict=True))
            | {
                "configuration": str(number),
                "seed": 0,
                "outcome": "completed",
                "run_id": str(number),
                "test_error_last": error,
            }
            for number, (*settings, error) in enumerate(rows)
        ]
    )
    table = configurations.over_configurations(frame, factors, "test_error_last", selects=False)
    assert not table["best"].any()
    return headline_of(table, factors, [], objective="test_error_last", selects=False)


def test_the_methods_that_are_lowest_are_counted_case_by_case():
    text = said(
        ["network.name", "regularizer.name"],
        ("lenet", "mixup", 5.0),
        ("lenet", "lamix", 4.0),
        ("resnet50", "mixup", 3.0),
        ("resnet50", "lamix", 2.0),
        (None, "mixup", 1.0),
        (None, "lamix", 2.0),
    )
    assert text == (
        "Test error (last epoch) over 1 seed is lowest with LaMix in 2 of 3 cases, with Mixup in 1 "
        "(a case: network). With one seed for each nothing tells a difference from chance."
    )


def test_where_one_thing_varies_the_ends_are_given():
    text = said(["regularizer.beta"], (0.5, 4.0), (0.1, 9.0), (0.9, 6.0))
    assert text == (
        "Test error (last epoch) over 1 seed: from 4.00% with regularizer.beta = 0.5 to 9.00% with "
        "regularizer.beta = 0.1. With one seed for each nothing tells a difference from chance."
    )


def test_errors_in_another_order_of_the_seeds_are_as_low():
    errors = {"a": (0.1, 0.2, 0.3), "b": (0.3, 0.2, 0.1)}
    rows = [
        {"configuration": key, "seed": seed, "outcome": "completed", "validation_error": error}
        for key, of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]
    table = configurations.over_configurations(pd.DataFrame(rows), [])
    assert table["validation_error_mean"].nunique() == 2  # but for a last bit they are equal
    assert list(table["best"]) == [True, True]
    assert headline_of(table, [], []).startswith("2 of 2 configurations share the lowest")


def test_configurations_that_err_alike_share_the_lowest_error():
    frame = pd.DataFrame(
        [
            {
                "regularizer.beta": beta,
                "configuration": str(beta),
                "seed": 0,
                "outcome": "completed",
                "run_id": str(beta),
                "validation_error": error,
                "test_error_last": 9.0,
            }
            for beta, error in ((0.1, 7.0), (0.5, 5.0), (0.9, 5.0))
        ]
    )
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    text = headline_of(table, ["regularizer.beta"], [])
    assert text.startswith("2 of 3 configurations share the lowest validation error: 5.00")


BETA, METHOD = "regularizer.beta", "regularizer.name"


def chosen(errors, *, outcomes=None, test=None, objective="validation_error", looks=()):
    """Return the answer of a study that selects a β: by β its errors, one a seed."""
    rows = [
        {
            BETA: beta,
            "configuration": str(beta),
            "seed": seed,
            "outcome": (outcomes or {}).get((beta, seed), "completed"),
            "run_id": f"{beta}-{seed}",
            "validation_error": error,
            "test_error_last": (test or {}).get(beta, 1.0) + error,
        }
        for beta, values in errors.items()
        for seed, error in enumerate(values)
    ]
    frame = pd.DataFrame(rows)
    lost = ~frame["outcome"].isin(["completed"])
    frame.loc[lost, ["validation_error", "test_error_last"]] = None
    table = configurations.over_configurations(frame, [BETA], objective, looks=looks)
    contrasts = contrasts_with_best(frame, table, [BETA], looks=looks)
    return headline_of(table, [BETA], contrasts, objective=objective)


NEAR = {0.1: [5.0, 5.2, 5.1], 0.5: [5.1, 5.1, 5.2], 0.9: [9.0, 9.1, 9.2]}
ALL_LOST = {(beta, seed): "diverged" for beta in NEAR for seed in range(3)}


def test_where_all_trials_diverged_nothing_is_said_to_be_under_way():
    assert chosen(NEAR, outcomes=ALL_LOST) == (
        "No answer: no configuration has run in full; of 9 trials 9 diverged."
    )
    some = {key: "failed" if key[0] == 0.1 else None for key in ALL_LOST}
    assert chosen(NEAR, outcomes=some) == (
        "No answer yet: no configuration has run in full; of 9 trials 6 not finished, 3 failed."
    )


def test_a_configuration_without_a_finished_seed_is_counted_in_the_answer():
    text = chosen(NEAR, outcomes={key: "failed" for key in ALL_LOST if key[0] == 0.9})
    assert text.endswith("1 of 3 configurations has no finished seed.")
    assert "none of the 2 values of β is told apart from the best" in text


def test_the_lowest_of_those_with_all_seeds_is_not_called_the_lowest():
    errors = {0.1: [5.0, 5.2, 5.1], 0.5: [1.1, 1.1, 1.2]}
    text = chosen(errors, outcomes={(0.5, 2): "diverged"}, test={0.5: 0.9})
    assert text.startswith("Lowest validation error of those with 3 seeds with regularizer.beta = ")
    assert "1 trial diverged or failed: no mean counts such a seed." in text
    assert "yet on test data the next, regularizer.beta = 0.5, is better by 4.10 points [" in text
    low, high = text.partition("points [")[2].partition("]")[0].split(", ")
    assert float(low) < 4.1 < float(high)


def test_one_seed_for_each_tells_nothing_from_chance():
    text = chosen({0.1: [5.0], 0.5: [9.0]})
    assert text.endswith("With one seed for each nothing tells a difference from chance.")


def test_who_is_not_judged_is_not_among_the_others_that_are_worse():
    errors = {0.1: [1.0, 9.0, 9.0], 0.5: [5.0, 5.1, 5.2], 0.9: [9.0, 9.1, 9.2]}
    text = chosen(errors, outcomes={(0.1, 1): "diverged", (0.1, 2): "diverged"})
    assert "regularizer.beta = 0.1 has too few seeds to be judged." in text


def test_the_only_configuration_is_not_called_lowest():
    assert chosen({0.1: [5.0, 5.2]}).startswith("Validation error with regularizer.beta = 0.1: 5")


def test_a_method_alone_on_its_data_set_is_said_to_be_so_and_one_seed_tells_nothing():
    rows = [("cifar10", "mixup", 20.0), ("cifar10", "lamix", 22.0), ("cifar100", "mixup", 40.0)]
    frame = pd.DataFrame(
        [
            {"dataset.name": data, METHOD: method, "configuration": str(number), "seed": 0}
            | {"outcome": "completed", "run_id": str(number), "validation_error": error}
            | {"test_error_last": error}
            for number, (data, method, error) in enumerate(rows)
        ]
    )
    factors = ["dataset.name", METHOD]
    table = configurations.over_configurations(frame, factors)
    text = headline_of(table, factors, [])
    assert "on CIFAR-100 40.00% with Mixup, which is alone there" in text
    assert "with Mixup;" in text  # and not alone on CIFAR-10
    assert text.endswith("With one seed for each nothing tells a difference from chance.")


def test_values_that_may_be_best_are_the_tested_ones_by_the_objective():
    text = chosen(NEAR)
    said = "By validation error any tested β from 0.1 to 0.5 may be the best; the other value is"
    assert f"{said} shown to be worse." in text


def test_a_choice_on_test_data_says_so_and_gives_its_error_once():
    text = chosen(NEAR, objective="test_error_last")
    assert "(chosen on test data, so too low): 6.10 ± 0.10% over 3 seeds" in text
    assert text.count("6.10") == 1


def test_configurations_that_all_err_alike_are_not_lowest_in_any_case():
    factors = ["network.name", "regularizer.name"]
    rows = [(net, name, 5.0) for net in ("lenet", "resnet50") for name in ("mixup", "lamix")]
    assert "is lowest with several alike in 2 of 2 cases" in said(factors, *rows)
    assert "over 1 seed: 5.00% with each of 2 configurations." in said(
        [BETA], (0.1, 5.0), (0.5, 5.0)
    )


def test_of_many_methods_three_are_named_and_the_others_counted():
    factors = ["network.width", "regularizer.beta"]
    rows = [(w, b / 10, 5.0 + ((w + b) % 6)) for w in range(6) for b in range(6)]
    text = said(factors, *rows)
    assert text.count("regularizer.beta = ") == 3
    assert "with 3 others in 3 (a case: width)" in text


def test_a_difference_seen_at_the_third_look_is_not_told_apart_for_that():
    seeds = range(6)
    near = {0.1: [5.0 + 0.1 * (s % 3) for s in seeds], 0.5: [5.2 + 0.13 * (s % 2) for s in seeds]}
    alone, often = chosen(near), chosen(near, looks=(2, 3, 4, 5))
    assert "β = 0.1 is the best of 2 tested" in alone
    assert "none of the 2 values of β is told apart from the best" in often


def test_a_method_without_a_rival_in_its_case_is_not_called_lowest_there():
    factors = ["network.name", "regularizer.name"]
    rows = [("lenet", "mixup", 5.0), ("lenet", "lamix", 4.0), ("resnet50", "mixup", 3.0)]
    text = said(factors, *rows)
    assert "is lowest with LaMix in 1 of 1 case (a case: network)." in text
    assert text.endswith("In 1 of 2 cases one method alone has a number.")
    alone = said(factors, ("lenet", "mixup", 5.0), ("resnet50", "lamix", 3.0))
    assert alone.endswith("compares nothing. In 2 of 2 cases one method alone has a number.")


def test_a_case_in_which_methods_are_missing_says_so():
    factors = ["network.name", "regularizer.name"]
    rows = [
        *(("lenet", name, 5.0 + n) for n, name in enumerate(("mixup", "lamix", "cutmix"))),
        *(("resnet50", name, 5.0 + n) for n, name in enumerate(("mixup", "lamix"))),
    ]
    assert "In 1 of these cases some methods have no number." in said(factors, *rows)


LEARNED = {
    "ablate": {"from": {BETA: 1.0}, "to": {BETA: 0.5}, "parts": [BETA], "design": "one_out"},
    "search": {"space": {BETA: [1.0, 0.5]}},
}


def answered(name="parts", *, test="test_error_last", **columns):
    """Return the answer of an ablation of β whose trials have further columns."""
    rows = [
        {
            BETA: beta,
            "configuration": str(beta),
            "seed": seed,
            "outcome": "completed",
            "run_id": f"{beta}-{seed}",
            "test_error_last": 5 + beta + 0.01 * seed,
            "test_error_best": 4 + beta + 0.01 * seed,
            **columns,
        }
        for beta in (0.5, 1.0)
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows)
    table = configurations.over_configurations(frame, [BETA], test, test=test, selects=False)
    found = study_answers(name, "quick", LEARNED, frame, test=test)
    return headline_of(table, [BETA], [], answered=found, objective=test, test=test, selects=False)


def test_a_verdict_on_trials_of_other_code_says_that_nothing_proves_them():
    assert "computed by other code" not in answered()
    text = answered(code="0123", code_kept="4567")
    assert text.endswith(
        "6 trials were computed by other code (digest 0123) and kept: nothing proves that the "
        "present code computes the same."
    )


def test_a_verdict_by_another_test_error_says_by_which():
    assert "chosen on test data" not in answered()
    text = answered(test="test_error_best")
    assert text.endswith("The test error is that of the best epoch, which is chosen on test data.")


def test_a_verdict_on_the_papers_numbers_says_in_which_precision_the_trials_ran():
    assert "bf16" not in answered("own", precision="bf16")
    assert answered("table7", precision="bf16").endswith(
        "6 of 6 trials ran in bf16, where the paper's setting is fp32."
    )
    assert "fp32" not in answered("table7", precision="fp32")
