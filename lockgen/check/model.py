"""What `lockgen check` finds, as values."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.sizes import Excess


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One difference between the project's files and what versions.toml and the lock say, with the command to fix it.

    ``diff`` leads from the file on disk to the expected one. ``excess`` is an exceeded budget: its kind is "budget", or
    "budget-unknown" if an unknown size leaves it open whether the budget is exceeded.
    """

    path: str
    kind: str
    message: str
    fix: str
    diff: str = ""
    line: int | None = None
    excess: Excess | None = None

    @property
    def is_drift(self) -> bool:
        """Whether a file differs from versions.toml and the lock. Files that exceed a budget may well match."""
        return self.excess is None
