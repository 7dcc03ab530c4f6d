"""The records that tests put in MLflow's place take what the real one takes."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.scheduling.protocols import RecordLike


def methods_of(protocol: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def fake_records() -> Iterator[type]:
    """Yield each class of these tests that answers whether a trial is finished elsewhere."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.study.{file.stem}")
        for member in vars(module).values():
            is_own = inspect.isclass(member) and member.__module__ == module.__name__
            if is_own and hasattr(member, "finished_elsewhere"):
                yield member


def takes_all_that(fake: inspect.Signature, real: inspect.Signature) -> bool:
    """Return whether every call that fits the one fits the other."""
    wanted = list(real.parameters.values())
    known = list(fake.parameters.values())
    same = [(one.name, one.kind) for one in known[: len(wanted)]] == [
        (one.name, one.kind) for one in wanted
    ]
    return same and all(one.default is not one.empty for one in known[len(wanted) :])


FAKES = list(fake_records())


def test_the_fakes_are_found() -> None:
    assert {"ListedRecord", "KeptRecord", "NoRecord"} <= {fake.__name__ for fake in FAKES}


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.__name__)
def test_a_fake_record_takes_what_the_record_takes(fake: type) -> None:
    for name, real in methods_of(RecordLike).items():
        member = vars(fake).get(name)
        if member is None:
            assert hasattr(fake, "__getattr__") or hasattr(fake, name), f"{fake}: no `{name}`"
        else:
            assert takes_all_that(inspect.signature(member), real), f"{fake}.{name}"


def test_a_missing_and_a_further_parameter_are_seen() -> None:
    def real(self, key, *, name): ...
    def fewer(self, key): ...
    def further(self, key, *, name, more): ...
    def optional(self, key, *, name, more=0): ...

    fits = [
        takes_all_that(inspect.signature(one), inspect.signature(real))
        for one in (real, fewer, further, optional)
    ]
    assert fits == [True, False, False, True]
