"""The sentence of a study that selects nothing; `test_report.py` has those of studies that do."""

import pandas as pd

from analysis.report_page.headline import headline_of
from analysis.tables import configurations


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
        "Test error (last epoch) is lowest with LaMix in 2 of 3 cases, with Mixup in 1 "
        "(a case: network)."
    )


def test_where_one_thing_varies_the_ends_are_given():
    text = said(["regularizer.beta"], (0.5, 4.0), (0.1, 9.0), (0.9, 6.0))
    assert text == (
        "Test error (last epoch) from 4.00% with regularizer.beta = 0.5 to 9.00% with "
        "regularizer.beta = 0.1."
    )


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
