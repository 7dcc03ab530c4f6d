"""The flag ``--budget``: what one launch may spend, laid over the study file's own budget."""

import re

NUMBER = re.compile(r"[0-9]")


class BudgetFlagError(ValueError):
    """A flag that is no budget."""


def budget_overrides(text: str | None) -> tuple[str, ...]:
    """Return a budget as flags ``--set`` has them: ``budget.hours=8h``.

    Args:
        text: hours, as in ``8h``, or parts, as in ``hours=8,gpu_hours=40,trials=200``; None where
            the flag is not given.

    Raises:
        BudgetFlagError: for a text of another form; what the parts may be, the study file's rules
            say.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise BudgetFlagError(_rule(text))
    if len(parts) == 1 and "=" not in text:
        if not NUMBER.match(parts[0]):
            raise BudgetFlagError(_rule(text))
        return (f"budget.hours={parts[0]}",)
    pairs = [part.partition("=") for part in parts]
    names = [name.strip() for name, _, _ in pairs]
    if not all(name and sign and value.strip() for name, sign, value in pairs):
        raise BudgetFlagError(_rule(text))
    if repeated := [name for name in names if names.count(name) > 1]:
        raise BudgetFlagError(f"--budget: {repeated[0]} occurs twice in `{text}`")
    return tuple(f"budget.{name.strip()}={value.strip()}" for name, _, value in pairs)


def _rule(text: str) -> str:
    return (
        "--budget: must be hours, as in 8h, or parts, as in hours=8,gpu_hours=40,trials=200,"
        f"failures=5, but got `{text}`"
    )
