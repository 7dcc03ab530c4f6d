"""What a check has found, in words for people and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from analysis.json_documents import VERSION, Document, named_document
from analysis.terminal import padded, text_width, wrapped

NAMES = (
    "python", "packages", "cpus", "memory", "disk", "shm", "data", "cache",
    "ray", "store",
    "gpu", "recorded", "beside", "cap", "resume", "bf16", "throughput",
)  # fmt: skip
"""Of all checks, in their order: of the machine, of services, of GPUs."""
FindingState = Literal["ok", "warning", "failed", "skipped"]
WIDTH = 80


@dataclass(frozen=True)
class Finding:
    """What one check has found."""

    name: str
    """The check's."""
    state: FindingState
    """`failed` is what a study would stumble over; `warning` what may make it slow or strange."""
    said: str
    remedy: str = ""
    """Which setting avoids it, or what to do about it."""
    table: tuple[tuple[str, ...], ...] = ()
    """Rows of figures, the first of which heads them."""

    def lines(self) -> list[str]:
        """Return the finding as lines of at most 80 columns; words wider than that stay whole."""
        head = f"{self.state:<8} {self.name:<11} "
        indent = " " * len(head)
        lines = wrapped(f"{head}{_in_one_line(self.said)}", WIDTH, hanging=len(head)).splitlines()
        if self.remedy:
            lines += wrapped(
                f"{indent}→ {_in_one_line(self.remedy)}", WIDTH, hanging=2
            ).splitlines()
        return [*lines, *(indent + row for row in _aligned_rows(self.table))]


def _in_one_line(text: str) -> str:
    """Return a text whose lines, such as those of another program's message, go on one another."""
    return " ".join(text.split())


def _aligned_rows(table: Sequence[Sequence[str]]) -> list[str]:
    if not table:
        return []
    widths = [max(map(text_width, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(padded(cell, width, right=True) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]


def is_well(findings: Sequence[Finding]) -> bool:
    """Return whether no check has failed."""
    return all(finding.state != "failed" for finding in findings)


def plain_findings(findings: Sequence[Finding], versions: dict[str, str]) -> Document:
    """Return what docs/json/doctor.schema.json describes."""
    keys = {
        "schema": VERSION,  # its name before documents had one
        "well": is_well(findings),
        "versions": versions,
        "findings": [asdict(finding) for finding in findings],
    }
    return named_document("doctor", keys)
