"""A race over seeds in words, from the trials on record."""

import json

import pandas as pd
import pytest

from analysis.tables.configurations import over_configurations
from analysis.tables.printed import configuration_grid
from analysis.tables.race import tell_race
from analysis.tables.rendering import to_text

FACTORS = ["regularizer.beta"]
SEARCH = {
    "configurations": None,
    "seeds": {"first": 3, "most": 5, "looks": [3, 5], "decide": "best", "margin": 0.0},
}
CLOSE = [10.0, 10.3, 10.1, 10.2, 10.4]
CLOSER = [10.1, 10.2, 10.3, 10.1, 10.3]
FAR = [30.0, 30.5, 30.2]


def frame_of(*errors, outcomes=None):
    """One configuration per list of errors, β = .1, .2, …; a seed is an error's place."""
    rows = [
        {
            "run_id": f"run-{n}-{seed}",
            "configuration": f"key-{n}",
            "configuration_number": str(n),
            "point": json.dumps({"regularizer.beta": round(0.1 * (n + 1), 1)}),
            "seed": seed,
            "outcome": (outcomes or {}).get((n, seed), "completed"),
            "regularizer.beta": round(0.1 * (n + 1), 1),
            "validation_error": error,
            "test_error_last": error + 1,
        }
        for n, values in enumerate(errors)
        for seed, error in enumerate(values)
    ]
    return pd.DataFrame(rows)


def told(frame, *, foresee=False, **seeds):
    table = over_configurations(frame, FACTORS)
    search = {**SEARCH, "seeds": {**SEARCH["seeds"], **seeds}}
    return tell_race(frame, table, FACTORS, search, objective="validation_error", foresee=foresee)


def test_the_best_is_named_with_its_seeds_and_its_level():
    story = told(frame_of(FAR, CLOSE[:3], [20.0, 20.4, 20.1]))
    assert story.verdict == "best"
    assert story.sentences == (
        "Best by validation error: regularizer.beta = 0.2, after 3 seeds; 2 configurations beaten, "
        "at level 0.05 over all looks and configurations.",
    )
    assert story.standing == {"key-0": "beaten", "key-1": "best", "key-2": "beaten"}


def test_those_not_told_apart_at_the_cap_are_named():
    story = told(frame_of(CLOSE, CLOSER, FAR))
    assert story.verdict == "undecided"
    (text,) = story.sentences
    assert text.startswith("Undecided at the cap of 5 seeds: regularizer.beta = 0.1 and regul")
    assert text.endswith("1 configuration beaten.")  # both have the same mean
    higher = [error + 0.02 for error in CLOSER]
    (text,) = told(frame_of(CLOSE, higher, FAR)).sentences
    assert text.endswith("1 configuration beaten. Lowest mean: regularizer.beta = 0.1.")
    assert set(story.standing.values()) == {"undecided", "beaten"}


def test_the_equivalent_are_named_with_the_margin():
    story = told(frame_of(CLOSE, CLOSER, FAR), margin=2.0)
    assert story.verdict == "equivalent"
    assert "are within 2.00 points of the best" in story.sentences[0]
    assert story.standing["key-0"] == story.standing["key-1"] == "equivalent"


def test_a_race_under_way_says_its_next_look_and_what_that_would_bring():
    story = told(frame_of(CLOSE[:3], CLOSER[:3], FAR), foresee=True)
    assert story.verdict == "going on"
    assert story.sentences[0].endswith("the next look is at 5 seeds.")
    assert story.outlook.trials == 4
    assert 0 <= story.outlook.over <= 1
    assert story.standing["key-0"] == "goes on"


def test_before_all_have_their_first_seeds_nothing_is_decided():
    story = told(frame_of(CLOSE[:3], CLOSER[:2]))
    assert story.verdict == "not begun"
    assert story.sentences == (
        "The race has not begun: all configurations get 3 seeds before a look.",
    )


def test_against_a_reference_each_is_better_worse_or_equivalent():
    decide = {"against": {"regularizer.beta": 0.2}}
    story = told(frame_of(CLOSE[:3], [20.0, 20.4, 20.2], FAR), decide=decide)
    assert story.verdict == "decided"
    assert story.sentences[0].startswith(
        "Against regularizer.beta = 0.2: better: regularizer.beta = 0.1; "
        "worse: regularizer.beta = 0.3; after 3 seeds"
    )
    assert story.standing == {"key-0": "better", "key-1": "reference", "key-2": "worse"}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("failed", "regularizer.beta = 0.3 has a trial that failed for good"),
        ("stopped_early", "regularizer.beta = 0.3 was stopped early"),
    ],
)
def test_who_is_out_of_the_race_is_said(outcome, said):
    story = told(frame_of(CLOSE, CLOSER, FAR, outcomes={(2, 1): outcome}))
    assert story.sentences[-1] == f"Out of the race: {said}."
    assert story.standing["key-2"] == outcome.replace("_", " ")


def test_a_diverged_trial_counts_with_the_worst_value_and_is_named():
    story = told(frame_of(CLOSE[:3], [20.0, 20.4, 20.2], FAR, outcomes={(2, 0): "diverged"}))
    assert "regularizer.beta = 0.3: 1 diverged trial at the worst value." in story.sentences


def test_a_plain_number_of_seeds_is_no_race():
    frame = frame_of(CLOSE)
    table = over_configurations(frame, FACTORS)
    search = {"seeds": [0, 1, 2]}
    assert tell_race(frame, table, FACTORS, search, objective="validation_error") is None


def test_the_table_shows_where_each_stands_and_what_is_decided():
    frame = frame_of(FAR, CLOSE[:3])
    story = told(frame)
    table = over_configurations(frame, FACTORS)
    grid = configuration_grid(table, FACTORS, standing=story.standing, remarks=story.sentences)
    text = to_text(grid)
    assert "race" in text
    assert "beaten" in text
    assert "Best by validation error" in text


def test_one_that_is_left_alone_is_not_called_best():
    story = told(frame_of(CLOSE[:3], FAR, outcomes={(1, 0): "failed"}))
    assert story.sentences == (
        "Only regularizer.beta = 0.1 is left in the race, after 3 seeds, and was not compared.",
        "Out of the race: regularizer.beta = 0.2 has a trial that failed for good.",
    )


def test_those_that_are_out_for_one_reason_are_one_sentence():
    lost = {(n, 0): "failed" for n in (1, 2)}
    story = told(frame_of(CLOSE[:3], FAR, FAR, outcomes=lost))
    assert story.sentences[-1] == (
        "Out of the race: regularizer.beta = 0.2 and regularizer.beta = 0.3 have each a trial that "
        "failed for good."
    )
    none = told(frame_of(CLOSE[:3], FAR, outcomes={(0, 0): "failed", (1, 0): "failed"}))
    assert none.sentences[0] == "No configuration is left in the race."


def test_those_that_err_alike_have_no_lowest_mean():
    (text,) = told(frame_of([5.0] * 5, [5.0] * 5)).sentences
    assert text == (
        "Undecided at the cap of 5 seeds: regularizer.beta = 0.1 and regularizer.beta = 0.2 are "
        "not told apart by validation error; none beaten."
    )


def test_where_all_diverged_the_race_has_begun_though_nothing_was_measured():
    lost = {(n, seed): "diverged" for n in range(2) for seed in range(5)}
    frame = frame_of(CLOSE, CLOSER, outcomes=lost).drop(columns="validation_error")
    assert told(frame).verdict == "undecided"
