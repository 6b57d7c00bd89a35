"""Versions that a resolver chooses and an installer refuses: each is excluded, and the request is solved again.

uv respects only the lower bound of Requires-Python (uv#4022), and pip the whole of it. A version that pip would refuse
in the image must not get into a lock, nor count as a solution in `lockgen explain` and `lockgen repair`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lockgen.core.index import CoreMetadata
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.core.target import Target


@dataclass
class Exclusions:
    """The versions excluded so far. ``metadata`` returns the metadata of the file that gets installed.

    With ``needs_file``, a version without a file for the target is excluded too. Without it, the caller reports such
    versions itself.
    """

    metadata: Callable[[Resolved], CoreMetadata]
    needs_file: bool = False
    reasons: dict[str, str] = field(default_factory=dict)
    """The constraint that excludes a version ("numpy!=1.99"), and why."""

    def solve(self, request: Request, resolve: Callable[[Request], Solution]) -> Solution:
        """A solution of ``request`` that contains no refused version.

        ``resolve`` solves one request. Its errors pass through, and the exclusions found until then stay known.
        """
        while True:
            # Constraints rather than a filter of the index: every resolver supports them.
            constraints = {*request.constraints, *self.reasons}
            solution = resolve(replace(request, constraints=tuple(sorted(constraints))))
            refused = self._refused(solution, request.target)
            if not refused:
                return solution
            self.reasons.update(refused)

    def _refused(self, solution: Solution, target: Target) -> dict[str, str]:
        refused = {}
        for name, package in solution.packages.items():
            reason = self._refusal(package, target)
            if reason is not None:
                refused[f"{name}!={package.version}"] = f"{name} {package.version} was excluded: {reason}"
        return refused

    def _refusal(self, package: Resolved, target: Target) -> str | None:
        if self.needs_file and not package.files:
            return "none of its files runs on the target"
        # The metadata of the installed file, not the index page: pages may lack or contradict it.
        bound = self.metadata(package).requires_python
        if target.admits(bound):
            return None
        return f"its Requires-Python is {bound}, and the target has Python {target.release}"
