"""Close the pull requests and delete the branches that no group with updates uses any more."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.errors import ToolFailed
from lockgen.update import branches
from lockgen.update import pull_request_text as rendering
from lockgen.update.close_reasons import CloseContext, close_reason
from lockgen.update.forge_requests import ask
from lockgen.update.model import Branch, GroupOutcome, PullRequest, RemoteState, UpdateGroup
from lockgen.update.ports import Forge, Repository
from lockgen.update.report import Report, error_text

_MERGED = "Merged: the branch was left over."
_PUBLISHED = (GroupOutcome.CREATED, GroupOutcome.REFRESHED, GroupOutcome.UNCHANGED)


class BranchCloser:
    """Closes leftover branches of lockgen's. Runs last: its reasons refer to the branches that the run created."""

    def __init__(
        self,
        repository: Repository,
        forge: Forge | None,
        report: Report,
        context: CloseContext | None,
        *,
        dry_run: bool,
    ) -> None:
        self._repository, self._forge, self._report = repository, forge, report
        self._context, self._dry_run = context, dry_run

    def close(self, name: str, state: RemoteState, groups: Sequence[UpdateGroup]) -> None:
        """Close the pull request of a branch with a comment, and delete the branch, if lockgen made all of it.

        Raises:
            Refused: the forge refused to close this pull request.
            ForgeFailed: the forge failed.
        """
        branch = state.branches.get(name)
        request = state.open.get(name) or state.elsewhere.get(name)
        group = name.removeprefix(self._report.policy.prefix)
        if not branches.may_close(name, state):
            # Report only what lockgen opened: other branches under the prefix are none of its business.
            if request is not None and request.mark is not None:
                self._report.add_outcome(group, GroupOutcome.FOREIGN, request, state.reserved.get(name))
            return
        merged = self._merged(branch) if branch is not None and request is None else None
        reason = _MERGED if merged is not None else self._reason(group, branch, state, groups)
        # The pull request goes first: without its branch, the forge would close it without a reason.
        if request is not None:
            self._close_request(request, reason)
        outcome = GroupOutcome.CLOSED
        error = self._delete(branch) if branch is not None else None
        if error is not None:
            reason = f"{reason}\n{error_text(error)}"
            # With a pull request the main part is done: it is closed.
            if request is None:
                outcome = GroupOutcome.FAILED
        self._report.add_outcome(group, outcome, request or merged, reason)

    def _delete(self, branch: Branch) -> ToolFailed | None:
        """Delete a branch. Returns the error if the remote refuses: a rule may protect branches."""
        if self._dry_run:
            return None
        try:
            # False, for a branch that has moved meanwhile, is fine: the new commit is kept.
            self._repository.delete(branch.name, branch.head.commit)
        except ToolFailed as error:
            self._report.fail(error.faults)
            return error
        return None

    def _close_request(self, request: PullRequest, reason: str) -> None:
        if self._forge is None or self._dry_run:
            return
        body = rendering.closed_text(request.body, reason)
        comment = rendering.as_comment(reason)
        ask(self._forge, lambda forge: forge.close(request, comment, body))

    def _merged(self, branch: Branch) -> PullRequest | None:
        """The pull request that merged exactly this commit: a squash leaves no trace in the history."""
        if self._forge is None:
            return None
        found = ask(self._forge, lambda forge: forge.merged(branch.name))
        return next((request for request in found if request.mark == branch.head.commit), None)

    def _reason(self, name: str, branch: Branch | None, state: RemoteState, groups: Sequence[UpdateGroup]) -> str:
        existing = self._existing(state)
        there = {}
        for group in groups:
            at = self._report.policy.prefix + group.name
            if at in existing:
                there[group.name] = at
        message = branch.head.message if branch is not None else ""
        return close_reason(name, message, groups, there, self._context, self._repository.base_name)

    def _existing(self, state: RemoteState) -> set[str]:
        """The branches that a reason may name: those that this run published, and those that were there before."""
        existing = set(state.open)
        for name, branch in state.branches.items():
            if branch.sealed is not None and not branch.merged:
                existing.add(name)
        for result in self._report.results:
            if result.outcome in _PUBLISHED:
                existing.add(result.branch)
        return existing
