"""What a reader of studies side by side should know: data and code that differ."""

from collections.abc import Iterator, Sequence
from itertools import product

from analysis.record.code_details import code_differences
from analysis.record.names import DATA_FINGERPRINT, DATASET_NAME, NETWORK_NAME, REGULARIZER_NAME
from analysis.tables.alike import ComparedStudy, Counterparts, find_counterparts
from analysis.tables.configurations import hashable_value

DATASET = "dataset."
COMPONENTS = (REGULARIZER_NAME, NETWORK_NAME, DATASET_NAME)
"""Trials that share these are computed by the same modules."""
MOST_WORDS = 4
"""Modules and packages that a sentence names."""


def comparison_notes(
    entries: Sequence[ComparedStudy], pairs: Sequence[Counterparts] | None = None
) -> list[str]:
    """Return what a reader should know: of each study's part, of data and of code that differ.

    Args:
        entries: the studies.
        pairs: the configurations that stand side by side; None finds them.
    """
    if pairs is None:
        pairs = [pair for entry in entries[1:] for pair in find_counterparts(entries[0], entry)]
    remarks = dict.fromkeys(remark for entry in entries for remark in entry.remarks)
    return [*remarks, *_data_warnings(pairs), *_code_warnings(entries, pairs)]


def _code_warnings(
    entries: Sequence[ComparedStudy], pairs: Sequence[Counterparts]
) -> Iterator[str]:
    """Say where what stands side by side was computed by codes that differ in what both use."""
    known = {digest: code for entry in entries for digest, code in entry.code.items()}
    apart: dict[str, None] = {}
    words: dict[str, None] = {}
    untold: dict[str, None] = {}
    for pair in pairs:
        codes = {*pair.reference.codes, *pair.other.codes}
        if frozenset() in codes and len(codes) > 1:
            untold[pair.name] = None
        for one, other in product(
            filter(None, pair.reference.codes), filter(None, pair.other.codes)
        ):
            found = code_differences(one, other, known)
            if found is None and pair.agree_in(COMPONENTS):
                found = ("what the digests stand for is not on record",)
            if found:
                apart[pair.name] = None
                words |= dict.fromkeys(found)
    if apart:
        more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
        yield (
            f"Other code: that of {', '.join(apart)} differs from that of {entries[0].label} "
            f"({', '.join(list(words)[:MOST_WORDS])}{more}), and nothing proves that both compute "
            "the same."
        )
    if untold:
        yield (
            f"Code not on record of {', '.join(untold)}, or of the like in "
            f"{entries[0].label}: some trials are older than digests of code, and nothing proves "
            "that all compute the same."
        )


def _data_warnings(pairs: Sequence[Counterparts]) -> Iterator[str]:
    """Say where what stands side by side was not trained and tested on the same data."""
    apart = [pair for pair in pairs if not pair.share_data_set]
    if apart:
        yield (
            f"Different data sets, so no difference is given: "
            f"{', '.join(dict.fromkeys(pair.name for pair in apart))}."
        )
    settings: dict[str, None] = {}
    prints: dict[str, None] = {}
    for pair in pairs:
        if not pair.share_data_set:
            continue
        both = pair.reference.settings, pair.other.settings
        names = sorted({str(n) for row in both for n in row.index if str(n).startswith(DATASET)})
        differing = [n for n in names if len({hashable_value(row.get(n)) for row in both}) > 1]
        settings |= dict.fromkeys(differing)
        held = {row.get(DATA_FINGERPRINT) for row in both}
        if len(held) > 1 and not differing:
            prints[pair.name] = None
    if settings:
        yield f"Different data: {', '.join(settings)} not the same; see the settings that differ."
    if prints:
        yield f"Different data: the fingerprints of the images differ for {', '.join(prints)}."
