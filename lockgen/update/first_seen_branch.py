"""Record on a branch when releases were first seen, for cooldowns on indexes without upload times."""

from __future__ import annotations

from collections.abc import Callable

from lockgen.core.layout import SEEN_PATH
from lockgen.core.update_policy import SEEN_BRANCH
from lockgen.update.commit_message import first_seen_message
from lockgen.update.model import GroupOutcome
from lockgen.update.plan import digest
from lockgen.update.ports import Repository
from lockgen.update.remote_state import is_other_project, sealed_on
from lockgen.update.report import Report

WriteFirstSeen = Callable[[str, str], None]
"""Writes the text of the record into a checkout: folder, text."""


def record_first_seen(
    repository: Repository, report: Report, project: str, text: str, write: WriteFirstSeen
) -> str | None:
    """Commit ``text`` to its branch. Returns a note if that is not possible; the run goes on without it.

    Raises:
        ToolFailed: git or the remote failed.
    """
    name = report.policy.prefix + SEEN_BRANCH
    head = repository.heads(name).get(name)
    if head is not None:
        sealed = sealed_on(name, head, report.policy)
        if sealed is None or is_other_project(sealed, repository, project):
            return f"{name}: {report.reason(GroupOutcome.FOREIGN, name)}"
        # No commit without a change: the branch would grow with every run.
        if repository.read(head.commit, SEEN_PATH) == text.encode():
            return None
    with repository.fresh() as folder:
        write(folder, text)
        tree = repository.tree(folder)
    message = first_seen_message(project, SEEN_BRANCH, digest(text), tree, repository.base)
    commit = repository.commit(tree, message)
    if not repository.push(name, commit, head.commit if head is not None else None):
        # The times differ by the length of a run at most.
        return f"{name}: another run pushed first; its record is kept"
    return None
