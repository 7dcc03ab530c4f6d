import gc

from analysis.collector import paused


def test_the_collector_is_away_for_a_while_and_back_even_after_an_error():
    assert gc.isenabled()
    try:
        with paused():
            assert not gc.isenabled()
            with paused():
                pass
            assert not gc.isenabled()
            raise LookupError
    except LookupError:
        assert gc.isenabled()
