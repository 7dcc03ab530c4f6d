"""What a table says of trials that other code computed and that were kept without a proof."""

import pandas as pd

from analysis.counted import count_text
from analysis.record.names import CODE, CODE_KEPT

UNKNOWN = "not recorded"
"""Stands for the digest in records from before there was one."""


def code_remarks(frame: pd.DataFrame) -> list[str]:
    """Return a sentence on the trials that were kept though other code computed them, if any.

    Args:
        frame: as from `analysis.trials.load`.
    """
    if CODE_KEPT not in frame:
        return []
    kept = frame[frame[CODE_KEPT].fillna("") != ""]
    if kept.empty:
        return []
    digests = ", ".join(kept[CODE].fillna(UNKNOWN).replace("", UNKNOWN).unique())
    verb = "was" if len(kept) == 1 else "were"
    return [
        f"{count_text(len(kept), 'trial')} {verb} computed by other code (digest {digests}) and "
        "kept: nothing proves that the present code computes the same."
    ]
