"""The report of a run of `lockgen update`, which grows while the run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lockgen.core.update_policy import Policy
from lockgen.errors import Fault, LockgenError
from lockgen.update.model import GroupOutcome, GroupResult, PullRequest

_REASONS = {
    GroupOutcome.FOREIGN: (
        "{branch} has a commit that lockgen did not make, so lockgen does not change it. Remove that commit, and the"
        " next run refreshes the branch"
    ),
    GroupOutcome.DECLINED: "a pull request with these moves was closed; newer releases will be proposed",
    GroupOutcome.LIMITED: "the limit of open pull requests is reached ([update] max-open): {limit}",
    GroupOutcome.BEATEN: "{branch} changed on the remote during this run; the next run continues",
}


@dataclass
class Report:
    """The results of groups, in order, and the faults on the way."""

    policy: Policy
    results: list[GroupResult] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, result: GroupResult, why: str | None = None) -> None:
        """Add a result. The default for ``why`` is the reason of its outcome."""
        if why is None:
            why = self.reason(result.outcome, result.branch)
        self.results.append(replace(result, why=why))

    def add_outcome(
        self, group: str, outcome: GroupOutcome, request: PullRequest | None, why: str | None = None
    ) -> None:
        """Add a result without a title and moves, for a group that was not prepared."""
        url = request.url if request is not None else None
        self.add(GroupResult(group, outcome, self.policy.prefix + group, url=url), why)

    def fail(self, faults: Iterable[Fault]) -> None:
        """Add faults. The run goes on, and exits with an error at its end."""
        self.faults += faults

    def reason(self, outcome: GroupOutcome, branch: str) -> str:
        """The general reason for an outcome; "" if the outcome explains itself."""
        return _REASONS.get(outcome, "").format(branch=branch, limit=self.policy.max_open)


def error_text(error: LockgenError) -> str:
    """An error as lines of text."""
    # Without the place: it would point into a temporary checkout.
    lines: list[str] = []
    for fault in error.faults:
        lines.append(fault.message)
        lines += (fault.reason or "").splitlines()
        if fault.hint:
            lines.append(f"hint: {fault.hint}")
    return "\n".join(lines)
