"""How many records are on their way to a server that is overrun, and how that grows again."""

from study.record.pacing import GAIN_AFTER, DeliveryPace


def send(pace, *, taken):
    pace.note_sent()
    (pace.note_taken if taken else pace.note_missed)()


def test_all_may_be_on_their_way_while_all_is_taken():
    pace = DeliveryPace(3)
    for _ in range(3):
        assert pace.has_room
        pace.note_sent()
    assert not pace.has_room
    pace.note_taken()
    assert pace.has_room


def test_one_tries_while_nothing_is_taken_and_half_as_many_go_on():
    pace = DeliveryPace(12)
    for _ in range(12):
        pace.note_sent()
    for _ in range(12):
        pace.note_missed()
    assert pace.allowed == 1
    send(pace, taken=False)
    assert pace.allowed == 1
    send(pace, taken=True)
    assert pace.allowed == 6


def test_more_are_allowed_as_all_goes_well_but_never_more_than_the_most():
    pace = DeliveryPace(4)
    send(pace, taken=False)
    send(pace, taken=True)
    assert pace.allowed == 2
    for _ in range(10 * GAIN_AFTER):
        send(pace, taken=True)
    assert pace.allowed == 4


def test_however_often_it_is_missed_one_may_be_on_its_way():
    pace = DeliveryPace(12)
    for _ in range(10):
        send(pace, taken=False)
        send(pace, taken=True)
    assert pace.allowed == 1 and pace.has_room
