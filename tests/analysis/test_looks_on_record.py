"""Looks at a study: on record, allowed for in intervals, and what the next one would bring."""

import numpy as np
import pandas as pd
import pytest

from analysis.record.looks import StudyLook, looks_text, read_looks, with_look
from analysis.statistics.looks import repeated_interval
from analysis.statistics.repeated_pairs import difference_over_looks
from analysis.statistics.summary import paired_difference
from analysis.tables.configurations import over_configurations
from analysis.tables.next_look import BEST_IS_TOLD, MOST_FURTHER, foresee_next_look
from analysis.tables.paired import contrast_grid, contrasts_with_best
from tests.analysis.test_race_story import FACTORS, frame_of


def look(seeds):
    return StudyLook("2026-01-01T00:00:00+00:00", seeds, 4 * seeds, {"key-0": 5.0}, "")


# On record


def test_a_look_with_no_more_seeds_than_before_is_none():
    assert with_look((look(5),), look(5)) == (look(5),)
    assert with_look((look(5),), look(3)) == (look(5),)
    assert with_look((look(5),), look(7)) == (look(5), look(7))


def test_looks_come_back_from_the_record_as_they_were_put(store):
    study = store.start("looked", space={"regularizer.beta": [0.1]})
    assert read_looks(store.client, study.run_id) == ()
    looks = (look(5), look(7))
    store.client.log_text(study.run_id, looks_text(looks), "looks.json")
    assert read_looks(store.client, study.run_id) == looks


# Intervals


def pair(n, *, shift=0.3, seed=0):
    rng = np.random.default_rng(seed)
    index = range(n)
    second = pd.Series(rng.normal(10, 0.3, n), index=index)
    return second + shift + rng.normal(0, 0.2, n), second


def test_without_an_earlier_look_the_difference_is_the_plain_one():
    first, second = pair(7)
    plain = paired_difference(first, second)
    for looks in ((), (7,), (9,), (1,)):
        assert difference_over_looks(first, second, looks) == plain


def test_equal_differences_prove_nothing_at_an_earlier_look_either():
    second = pd.Series([10.0, 10 + 1 / 3, 10.0])
    equal = difference_over_looks(second + 1 / 3, second, (2, 3), resolution=1 / 3)
    assert equal.t_p > 0.05 and equal.low < 0 < equal.high


def test_with_earlier_looks_the_interval_is_wider_and_p_allows_for_them():
    first, second = pair(7)
    plain, wide = paired_difference(first, second), difference_over_looks(first, second, (5, 7))
    expected = repeated_interval(first - second, (5, 7))
    assert (wide.low, wide.high, wide.t_p) == (expected.low, expected.high, expected.p)
    assert wide.high - wide.low > plain.high - plain.low
    assert wide.mean == pytest.approx(plain.mean)
    assert wide.looks == (5, 7)


def test_seeds_count_in_the_order_in_which_they_are_run():
    first, second = pair(7)
    shuffled = [3, 0, 6, 2, 5, 1, 4]
    mixed = difference_over_looks(first[shuffled], second[shuffled], (5,))
    ordered = difference_over_looks(first, second, (5,))
    assert (mixed.low, mixed.high, mixed.t_p) == (ordered.low, ordered.high, ordered.t_p)


def test_the_table_against_the_best_says_which_looks_it_allows_for():
    frame = frame_of([10.0, 10.3, 10.1, 10.2, 10.4], [11.0, 11.2, 11.3, 11.0, 11.1])
    table = over_configurations(frame, FACTORS)
    several = contrasts_with_best(frame, table, FACTORS, looks=(3, 5))
    (note, *_) = contrast_grid(several, title="").notes
    assert "Each interval beside a mean, and p of the t-test, allow for looks at 3, 5 seeds" in note
    once = contrasts_with_best(frame, table, FACTORS, looks=(5,))
    assert "looks" not in contrast_grid(once, title="").notes[0]


def test_the_table_against_the_best_says_where_another_metric_chooses():
    frame = frame_of([10.0, 10.3, 10.1, 10.2, 10.4], [11.0, 11.2, 11.3, 11.0, 11.1])
    contrasts = contrasts_with_best(frame, over_configurations(frame, FACTORS), FACTORS)
    (*_, said) = contrast_grid(contrasts, title="", chosen_by="validation_error").notes
    assert said.startswith("Which may be the best is told by validation error, another metric")
    for chosen_by in ("", "test_error_last"):
        notes = contrast_grid(contrasts, title="", chosen_by=chosen_by).notes
        assert not any("another metric" in note for note in notes)


# The next look


def foreseen(*errors, looks):
    frame = frame_of(*errors)
    return foresee_next_look(frame, over_configurations(frame, FACTORS), "validation_error", looks)


def test_nobody_is_invited_where_the_best_is_told_already():
    far = foreseen([10.0, 10.1, 10.2, 10.1, 10.0], [20.0, 20.2, 20.1, 20.2, 20.0], looks=(5,))
    assert (far.more, far.sentence) == (0, BEST_IS_TOLD)


def test_equal_differences_of_whole_images_tell_nothing_apart():
    step = 100 / 287  # both seeds differ by one image, which has no spread and is no proof
    same = foreseen([step, 4 * step], [2 * step, 5 * step], looks=(2,))
    assert same.sentence != BEST_IS_TOLD


def test_nobody_is_invited_where_no_number_of_seeds_is_likely_to_decide():
    same = foreseen([10.0, 10.9, 10.2, 10.6, 10.1], [10.8, 10.1, 10.6, 10.2, 10.2], looks=(5,))
    assert same.more == 0
    assert same.sentence.startswith(f"even {MOST_FURTHER} more seeds would tell")


def test_more_seeds_are_offered_with_their_price_and_their_chance():
    close = foreseen([10.0, 10.5, 10.2, 10.4, 10.1], [10.4, 10.4, 10.7, 10.5, 10.5], looks=(5,))
    assert close.more > 0
    assert close.trials == 2 * close.more
    assert "tells the best from the next with probability 0." in close.sentence


def test_each_look_before_makes_the_next_decision_dearer():
    errors = [10.0, 10.5, 10.2, 10.4, 10.1], [10.4, 10.4, 10.7, 10.5, 10.5]
    once, often = (foreseen(*errors, looks=looks) for looks in ((5,), (2, 3, 4, 5)))
    assert often.more >= once.more


def test_two_configurations_that_share_no_two_seeds_are_not_compared():
    assert foreseen([10.0], [11.0], looks=(1,)) is None
