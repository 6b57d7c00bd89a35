"""Two runs of the same image, before and after a change."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.proof.model import ImageRun, Line, Problem


@dataclass(frozen=True, slots=True)
class RunChange:
    """What a change does to one image. ``before`` is None if the image was not run before, or is new."""

    image: str
    before: ImageRun | None
    after: ImageRun

    @property
    def new_problems(self) -> tuple[Problem, ...]:
        """Problems that the run before did not have. Those that it had are not the fault of the change."""
        known = {problem.key for problem in self.before.problems} if self.before is not None else set()
        return tuple(problem for problem in self.after.problems if problem.key not in known)

    @property
    def solved_problems(self) -> tuple[Problem, ...]:
        left = {problem.key for problem in self.after.problems}
        before = self.before.problems if self.before is not None else ()
        return tuple(problem for problem in before if problem.key not in left)

    @property
    def new_lines(self) -> tuple[Line, ...]:
        """Lines that were not written before; empty without a run before, as nothing is known then."""
        if self.before is None or self.before.status == "unknown":
            return ()
        known = set(self.before.lines)
        return tuple(line for line in self.after.lines if line not in known)

    @property
    def gone_lines(self) -> tuple[Line, ...]:
        if self.before is None or self.after.status == "unknown":
            return ()
        left = set(self.after.lines)
        return tuple(line for line in self.before.lines if line not in left)

    @property
    def new_native(self) -> tuple[str, ...]:
        """Needs for shared libraries that became unsatisfied."""
        known = set(self.before.native) if self.before is not None else set()
        return tuple(warning for warning in self.after.native if warning not in known)

    @property
    def fails(self) -> bool:
        """Whether the change breaks the image."""
        return bool(self.new_problems)
