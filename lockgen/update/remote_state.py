"""Read the state of the remote through the ports: which branches and pull requests are this project's."""

from __future__ import annotations

from lockgen.core.update_policy import Policy
from lockgen.update.commit_message import read_sealed
from lockgen.update.model import Branch, Head, RemoteState, SealedCommit
from lockgen.update.ports import Forge, Repository

_VERSIONS = "versions.toml"


def read_remote_state(repository: Repository, forge: Forge | None, policy: Policy, project: str) -> RemoteState:
    """The branches under the prefix, without those of other projects, and the open pull requests."""
    base = repository.base_name
    reserved = {base: f"{base} is the base branch: set another prefix in [update]"}
    branches: dict[str, Branch] = {}
    for name, head in repository.heads(policy.prefix).items():
        if name == base:
            continue
        sealed = sealed_on(name, head, policy)
        if sealed is not None and is_other_project(sealed, repository, project):
            reserved[name] = (
                f"{name} belongs to the project in {sealed.project}: give each project its own prefix in [update]"
            )
            continue
        # A foreign branch is kept in the state: its group must be reported, not overwritten.
        branches[name] = Branch(name, head, sealed, repository.is_merged(head.commit))
    # One list for all branches: a request per branch would soon reach the rate limit.
    opened = forge.opened(policy.prefix) if forge is not None else ()
    mine = [request for request in opened if request.branch not in reserved]
    # A pull request that does not name its target goes to the base branch.
    to_base = {request.branch: request for request in mine if request.base in ("", base)}
    elsewhere = {request.branch: request for request in mine if request.branch not in to_base}
    for name, request in elsewhere.items():
        reserved[name] = f"its pull request targets {request.base}: close it, or change its target to {base}"
    return RemoteState(repository.base, branches, to_base, elsewhere, reserved)


def sealed_on(name: str, head: Head, policy: Policy) -> SealedCommit | None:
    """The trailer of lockgen's commit on its own branch.

    On a branch with another name the same commit is a copy that a person made, so it counts as that person's.
    """
    sealed = read_sealed(head)
    if sealed is None or policy.prefix + sealed.group != name:
        return None
    return sealed


def is_other_project(sealed: SealedCommit, repository: Repository, project: str) -> bool:
    """Whether another project of the repository made a commit.

    If its folder has no versions.toml any more, it is this project before it moved to another folder.
    """
    if sealed.project == project:
        return False
    return repository.read(repository.base, _VERSIONS, sealed.project) is not None
