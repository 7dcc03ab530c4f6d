import gc

from analysis.record.collector import collector_paused


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
