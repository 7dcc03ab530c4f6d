import gc

import pytest

from analysis.record.collector import collector_at_rest, collector_paused, wake_collector


def test_the_collector_is_away_for_a_while_and_back_even_after_an_error():
    assert gc.isenabled()
    try:
        with collector_paused():
            assert not gc.isenabled()
            with collector_paused():
                pass
            assert not gc.isenabled()
            raise LookupError
    except LookupError:
        assert gc.isenabled()


def test_a_command_starts_without_the_collector_and_wakes_it_to_what_is_new():
    with collector_at_rest():
        assert not gc.isenabled()
        held = gc.get_freeze_count()
        wake_collector()
        assert gc.isenabled() and gc.get_freeze_count() > held
    assert gc.isenabled() and gc.get_freeze_count() == 0


@pytest.mark.parametrize("woken", [False, True])
def test_after_a_command_the_collector_is_as_it_was_before(woken):
    gc.disable()
    try:
        with collector_at_rest():
            if woken:
                wake_collector()
        assert not gc.isenabled()
    finally:
        gc.enable()
