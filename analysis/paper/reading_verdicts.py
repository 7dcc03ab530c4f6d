"""The verdict on the readings in words: in which, and on which data, the conclusion holds."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analysis.counted import count_text
from analysis.paper.claim_words import outlook_text
from analysis.paper.open_questions import Case, case_text
from analysis.paper.readings import JudgedReadings
from analysis.statistics.claims import ClaimVerdict

SHOWN = 3
"""Readings that a sentence names; the tables have all."""
CONCLUSION = "LaMix is on par with Mixup and CutMix, or better"
WORSE = "LaMix errs more than a rival, by more than the margin"
ON_DATA = {
    ClaimVerdict.SUPPORTED: "is shown",
    ClaimVerdict.CONTRADICTED: "fails",
    ClaimVerdict.UNDECIDED: "is undecided",
}
"""What the conclusion does on a data set."""


def verdict_texts(judged: JudgedReadings) -> Iterator[str]:
    """Yield whether the conclusion depends on the reading, and how it stands on each data set."""
    if judged.seeds < 2:
        readings = count_text(len(judged.readings()), "reading")
        several = len(judged.readings()) > 1
        which = f"none of {readings} shows" if several else "the one reading does not show"
        yield (
            "Not decided: with one shared seed nothing tells LaMix from a rival, so that "
            f"{which} whether {CONCLUSION}."
        )
        return
    yield _one_text(judged) if len(judged.readings()) == 1 else _several_text(judged)
    yield from _data_text(judged)


def is_the_papers(judged: JudgedReadings) -> bool:
    """Return whether all that is judged has the setting of the paper."""
    return all(row.row.comparable for row in judged.claim.rows)


def _one_text(judged: JudgedReadings) -> str:
    (verdict,) = judged.readings().values()
    opening = "There is one reading, so that nothing can depend on it"
    if verdict is ClaimVerdict.SUPPORTED:
        return f"{opening}: in it {CONCLUSION}."
    if verdict is ClaimVerdict.UNDECIDED:
        outlook = outlook_text(judged.claim)
        return f"{opening}: it is not decided whether {CONCLUSION}{outlook}."
    if _fails_throughout(judged):
        return f"{opening}: in it {WORSE}."
    return f"{opening}: in it the conclusion does not hold on all data sets."


def _several_text(judged: JudgedReadings) -> str:
    readings = judged.readings()
    found = {
        verdict: [reading for reading, held in readings.items() if held is verdict]
        for verdict in ClaimVerdict
    }
    upheld, denied = found[ClaimVerdict.SUPPORTED], found[ClaimVerdict.CONTRADICTED]
    count = count_text(len(readings), "reading")
    here = "" if is_the_papers(judged) else " here"
    if len(upheld) == len(readings):
        return f"No, it does not{here}: in all of {count} {CONCLUSION}."
    if len(denied) == len(readings) and _fails_throughout(judged):
        return (
            f"No, it does not{here}, for the conclusion holds in none: in all of {count} {WORSE}."
        )
    if len(denied) == len(readings):
        return (
            f"No, it does not{here}: in none of {count} does the conclusion hold on all data sets."
        )
    said = (
        f"that {CONCLUSION}, is shown in {len(upheld)} of {count}{_named(upheld, judged)}, "
        f"contradicted in {len(denied)}{_named(denied, judged)} and undecided in "
        f"{len(found[ClaimVerdict.UNDECIDED])}"
    )
    if upheld and denied:
        return f"Yes, it does{here}: {said}."
    return f"Not decided: {said}{outlook_text(judged.claim)}."


def _fails_throughout(judged: JudgedReadings) -> bool:
    return set(judged.verdicts.values()) == {ClaimVerdict.CONTRADICTED}


def _named(readings: Sequence[Case], judged: JudgedReadings) -> str:
    """Return which readings these are: by what they share, or the first of them by name."""
    questions = judged.open_questions
    if not readings:
        return ""
    if len(readings) <= SHOWN:
        return f" ({'; '.join(case_text(reading, questions) for reading in readings)})"
    shared = {
        axis: readings[0][axis]
        for axis, question in enumerate(questions)
        if len(question.options) > 1 and len({reading[axis] for reading in readings}) == 1
    }
    if shared:
        named = " and ".join(questions[axis].phrase(place) for axis, place in shared.items())
        alike = sum(all(r[a] == p for a, p in shared.items()) for r in judged.readings())
        return f" ({'just those' if alike == len(readings) else 'each of them'} with {named})"
    named = "; ".join(case_text(reading, questions) for reading in readings[:SHOWN])
    return f" ({named}; and {len(readings) - SHOWN} more)"


def _data_text(judged: JudgedReadings) -> Iterator[str]:
    """Yield how the conclusion stands on each data set, where that differs between them."""
    by_data = judged.verdicts_by_data()
    begun = {judged.data_of(case) for case in judged.begun}
    if len({tuple(sorted(v)) for v in by_data.values()}) == 1 and begun == set(by_data):
        return
    texts = [
        _on_data_text(_data_name(data, judged), verdicts, has_run=data in begun)
        for data, verdicts in by_data.items()
    ]
    yield f"The conclusion by data set: {'; '.join(texts)}."


def _on_data_text(name: str, verdicts: Sequence[ClaimVerdict], *, has_run: bool) -> str:
    if not has_run:
        return f"{name} has not run"
    counts = Counter(verdicts)
    parts = [f"{ON_DATA[v]} in {counts[v]}" for v in ON_DATA if counts[v]]
    count = count_text(len(verdicts), "reading")
    if len(parts) > 1:
        return f"on {name} it {', '.join(parts[:-1])} and {parts[-1]} of {count}"
    where = f" in all of {count}" if len(verdicts) > 1 else ""
    return f"on {name} it {ON_DATA[verdicts[0]]}{where}"


def _data_name(data: Case, judged: JudgedReadings) -> str:
    asked = [question for question in judged.questions if not question.is_reading]
    pairs = zip(asked, data, strict=True)
    return ", ".join(q.value(place) for q, place in pairs if len(q.options) > 1)
