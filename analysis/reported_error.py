"""The flag that chooses which test error is reported."""

import argparse

from trainables.metrics import TEST_ERRORS

TEST_CHOICES = dict(zip(("last", "last10", "best"), TEST_ERRORS, strict=True))
"""From the words of the flag to metrics."""


def add_test_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--test` to a command."""
    parser.add_argument(
        "--test",
        choices=list(TEST_CHOICES),
        default="last",
        help="the test error that is reported: of the last epoch (the default), the median of the "
        "last ten, or the lowest, which is chosen on test data",
    )
