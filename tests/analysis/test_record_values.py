"""Values of the record: each way of writing one has its inverse."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.record.values import (
    LARGEST,
    WORDS,
    flag_text,
    is_flag,
    metric_value,
    param_text,
    typed_param,
)


def reads_as_a_value(text: str) -> bool:
    """Whether a text is what a number, bool, None or list is written as."""
    try:
        json.loads(text)
    except ValueError:
        return text in WORDS
    return True


PLAIN = st.none() | st.booleans() | st.integers() | st.floats()
SETTINGS = PLAIN | st.text().filter(lambda text: not reads_as_a_value(text))
LISTS = st.lists(PLAIN | st.text() | st.lists(PLAIN), max_size=5)


@settings(max_examples=50, deadline=None)
@given(SETTINGS | LISTS)
def test_a_params_text_gives_the_same_value_of_the_same_type(value):
    assert repr(typed_param(param_text(value))) == repr(value)


@settings(max_examples=50, deadline=None)
@given(LISTS)
def test_a_tuple_is_written_as_the_list_of_its_items(items):
    assert param_text(tuple(items)) == param_text(items)


@pytest.mark.parametrize("flag", [True, False])
def test_a_flags_text_says_whether_it_is_set(flag):
    assert is_flag(flag_text(flag)) is flag
    assert not is_flag(None)


def test_a_metric_at_the_stores_limit_is_infinite():
    limit = 1.7976931348623157e308  # what MLflow's SQL store makes of an infinite metric
    assert metric_value(limit) == math.inf
    assert metric_value(-limit) == -math.inf
    assert metric_value(LARGEST / 2) == LARGEST / 2
    assert math.isnan(metric_value(math.nan))
