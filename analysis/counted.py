"""Counted nouns with the words that go with them (1 trial is, 2 trials are), and durations."""


def count_text(count: float, noun: str, plural: str = "") -> str:
    """Return ``1 seed``, ``5 seeds``, ``1,000 seeds``.

    Args:
        count: how many; parts of one are plural.
        noun: for one.
        plural: for another number; without it the noun with an s.
    """
    number = f"{count:,}" if isinstance(count, int) else f"{count:,g}"
    return f"{number} {agreeing(count, noun, plural or f'{noun}s')}"


def agreeing(count: float, one: str, many: str) -> str:
    """Return the word that goes with a number: ``is`` or ``are``, ``it`` or ``they``."""
    return one if count == 1 else many


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours / 24:.1f} days"
