"""Counted nouns, and the words that go with them: 1 trial is, 2 trials are."""


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
