"""The user's clone and its remote: see ports.Repository.

All work happens in a separate worktree with a detached HEAD, in the system's temporary folder. So the user's tree,
index and branches are never touched, and their hooks do not run. Commits are made without a branch, and pushed by name.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lockgen.errors import BadInput, ToolFailed
from lockgen.io import git
from lockgen.io.temporary import create_folder
from lockgen.update.git_session import LOCAL, RETRY_HINT, GitSession
from lockgen.update.model import Head

PREFIX = "lockgen-update-"
"""The prefix of temporary folders. The process id follows, so that a later run recognizes those of dead runs."""

_WORKTREE = re.compile(rf"worktree (?P<holder>.*/{PREFIX}(?P<process>\d+)-[^/]*)/tree")
_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or `git am`",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# A worktree must contain every file byte for byte: the user's settings may leave some out, or change line ends.
_EXACT_FILES = ("-c", "core.sparseCheckout=false", "-c", "core.autocrlf=false", "-c", "core.eol=lf")
_PUSH_REMOTE = "lockgen-pushed-to"
"""A remote that exists for one call, with the push address. On the command line its credentials would be visible."""
_CHANGES_SHOWN = 5


class Clone:
    """See ports.Repository. Create it with ``open_clone``."""

    def __init__(self, root: Path, remote: str, token: str | None, user: str) -> None:
        self._root = root
        self._remote = remote
        self._git = GitSession(root, remote, token, user)
        self._refs: dict[str, str] = {}
        self._top = Path()
        self.project = "."
        self.base_name = ""
        self.base = ""

    # -- reading ---------------------------------------------------------------

    def open(self, base: str | None) -> None:
        """Check the state of the clone, and read the remote's branches.

        Raises:
            BadInput: this is not a clone, it has uncommitted changes or an unfinished operation, or the base branch
                does not exist.
            ToolFailed: the remote cannot be read.
        """
        inside = self._git.call("rev-parse", "--show-toplevel")
        if inside.code:
            hint = "run lockgen in a clone of the repository that pull requests go to"
            raise BadInput("this folder is not in a git repository", reason=inside.last_lines(), hint=hint)
        self._top = Path(os.path.realpath(inside.stdout.rstrip("\n")))
        self.project = os.path.relpath(os.path.realpath(self._root), self._top)
        self._refuse_unfinished()
        self._refuse_dirty()
        self._refs, default = self._list_remote(self._remote)
        self.base_name = base or default or ""
        if not self.base_name:
            raise BadInput("the remote has no default branch", hint='set it: [update] base = "main"')
        if self.base_name not in self._refs:
            message = f"{self._remote} has no branch {self.base_name}"
            raise BadInput(message, hint='set another one: [update] base = "main"')
        self.base = self._refs[self.base_name]
        self._fetch([self.base_name])

    def _refuse_unfinished(self) -> None:
        for name, what in _UNFINISHED.items():
            path = self._git.output("find the state of this clone", "rev-parse", "--git-path", name).rstrip("\n")
            if os.path.lexists(os.path.join(self._root, path)):
                raise BadInput(
                    f"{what} is not finished in this clone",
                    hint="finish or abort it (`git status` shows how); no files were changed",
                )

    def _refuse_dirty(self) -> None:
        words = ("status", "--porcelain", "-z", "--untracked-files=normal")
        status = self._git.output("list changes", *words, at=self._top)
        changed = [entry[3:] for entry in status.split("\0") if entry]
        if not changed:
            return
        named = ", ".join(changed[:_CHANGES_SHOWN])
        if len(changed) > _CHANGES_SHOWN:
            named += f" and {len(changed) - _CHANGES_SHOWN} more"
        raise BadInput(
            f"this clone has uncommitted changes: {named}",
            hint="commit or stash them (`git stash -u`), or add untracked files to .gitignore",
        )

    def _list_remote(self, remote: str, env: Mapping[str, str] | None = None) -> tuple[dict[str, str], str | None]:
        """The branches of ``remote`` with their commits, and its default branch."""
        words = ("ls-remote", "--symref", remote, "HEAD", "refs/heads/*")
        listed = self._git.output("read the remote", *words, env=env)
        refs: dict[str, str] = {}
        default = None
        for line in listed.splitlines():
            value, _, name = line.partition("\t")
            if name == "HEAD" and value.startswith("ref: refs/heads/"):
                default = value.removeprefix("ref: refs/heads/")
            elif name.startswith("refs/heads/") and _COMMIT.fullmatch(value):
                refs[name.removeprefix("refs/heads/")] = value
        return refs, default

    def _list_push_remote(self) -> dict[str, str]:
        """The branches at the push address, which may be another server than the fetch address."""
        if not self._has_push_address():
            return self._list_remote(self._remote)[0]
        setting = self._git.with_setting(f"remote.{_PUSH_REMOTE}.url", self._push_address())
        return self._list_remote(_PUSH_REMOTE, setting)[0]

    def _push_address(self) -> str:
        return self._git.output(
            "read the push URL of the remote", "remote", "get-url", "--push", "--", self._remote
        ).strip()

    def _has_push_address(self) -> bool:
        """Whether the remote has different addresses to fetch from and to push to, such as a mirror."""
        if self._remote == LOCAL:
            return False
        fetched = self._git.output("read the fetch URL of the remote", "remote", "get-url", "--", self._remote).strip()
        return fetched != self._push_address()

    def _fetch(self, branches: list[str]) -> None:
        """Fetch the commits of ``branches`` without creating refs: the user's refs must not move."""
        missing = [name for name in branches if not self._has_commit(name)]
        if missing and self._remote != LOCAL:
            quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")
            wanted = [f"refs/heads/{name}" for name in missing]
            # Without the empty refmap git would also move the user's remote-tracking branches.
            self._git.output("fetch from the remote", "fetch", *quiet, "--refmap=", self._remote, *wanted)
        for name in missing:
            if not self._has_commit(name):
                raise ToolFailed(f"{name} changed on {self._remote} while lockgen read it", hint="run lockgen again")

    def _has_commit(self, branch: str) -> bool:
        """Whether the clone has the commit of a remote branch, and its tree: a partial clone may lack that."""
        return self._git.call("cat-file", "-e", f"{self._refs[branch]}^{{tree}}").code == 0

    def heads(self, prefix: str) -> Mapping[str, Head]:
        """See ports.Repository; the state when the clone was opened, with this run's own pushes."""
        names = sorted(name for name in self._refs if name.startswith(prefix))
        self._fetch(names)
        return {name: self._head(self._refs[name]) for name in names}

    def _head(self, commit: str) -> Head:
        raw = self._git.output("read a commit", "cat-file", "commit", commit)
        header, _, message = raw.partition("\n\n")
        tree = ""
        parents = []
        for line in header.splitlines():
            name, _, value = line.partition(" ")
            # Lines of a signature begin with a space, so they have no name.
            if name == "tree":
                tree = value
            elif name == "parent":
                parents.append(value)
        return Head(commit, tree, tuple(parents), message)

    def read(self, commit: str, path: str, project: str | None = None) -> bytes | None:
        """See ports.Repository."""
        folder = self.project if project is None else project
        whole = posixpath.normpath(posixpath.join(folder, path))
        # The folder may come from a commit, so it can be anything. For a path outside the repository git only fails.
        if whole.startswith(("/", "../")) or not whole.isprintable():
            return None
        return git.show(self._top, commit, whole)

    def is_merged(self, commit: str) -> bool:
        """See ports.Repository. With a partial history the answer may be a wrong no, but never a wrong yes."""
        return self._git.call("merge-base", "--is-ancestor", commit, self.base).code == 0

    # -- worktrees and commits -------------------------------------------------

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """See ports.Repository: a worktree that is removed afterwards."""
        self._remove_stale_worktrees()
        holder = str(create_folder(f"{PREFIX}{os.getpid()}-"))
        tree = os.path.join(holder, "tree")
        try:
            words = ("worktree", "add", "--quiet", "--detach", "--force", tree, self.base)
            self._git.output("create a worktree", *_EXACT_FILES, *words)
            yield os.path.join(tree, self.project) if self.project != "." else tree
        finally:
            self._git.call("worktree", "remove", "--force", "--force", tree)
            shutil.rmtree(holder, ignore_errors=True)
            self._git.call("worktree", "prune")

    def _remove_stale_worktrees(self) -> None:
        """Remove the worktrees of runs that were killed."""
        listed = self._git.call("worktree", "list", "--porcelain", "-z").stdout
        for entry in listed.split("\0"):
            found = _WORKTREE.fullmatch(entry)
            if found is None or _is_running(int(found["process"])):
                continue
            holder = found["holder"]
            self._git.call("worktree", "remove", "--force", "--force", f"{holder}/tree")
            shutil.rmtree(holder, ignore_errors=True)

    def tree(self, folder: str) -> str:
        """See ports.Repository."""
        self._git.output("add the new files", *_EXACT_FILES, "add", "--all", ".", at=Path(folder))
        return self._git.output("write the tree", *_EXACT_FILES, "write-tree", at=Path(folder)).strip()

    def commit(self, tree: str, message: str) -> str:
        """See ports.Repository. The author comes from git's settings, or is lockgen."""
        # `commit-tree` needs no branch, and runs no hook, signature or editor.
        done = self._git.call("commit-tree", tree, "-p", self.base, "-F", "-", stdin=message, env=self._author())
        if done.code:
            raise ToolFailed("git cannot commit", reason=done.last_lines(), hint=RETRY_HINT)
        return done.stdout.strip()

    def _author(self) -> dict[str, str]:
        found = {}
        for part, key, default in (("NAME", "user.name", "lockgen"), ("EMAIL", "user.email", "lockgen@localhost")):
            setting = self._git.call("config", key).stdout.strip()
            for role in ("AUTHOR", "COMMITTER"):
                variable = f"GIT_{role}_{part}"
                found[variable] = os.environ.get(variable) or setting or default
        return found

    # -- pushing ---------------------------------------------------------------

    def push(self, branch: str, commit: str, old: str | None) -> bool:
        """See ports.Repository.

        Raises:
            ToolFailed: the remote rejects the push, or cannot be reached; with git's message.
        """
        return self._update_remote(branch, commit, old)

    def delete(self, branch: str, old: str) -> bool:
        """See ports.Repository."""
        return self._update_remote(branch, None, old)

    def _update_remote(self, branch: str, commit: str | None, old: str | None) -> bool:
        ref = f"refs/heads/{branch}"
        # The lease is the lock between two runs: the push fails unless the branch is still at `old`.
        lease = f"--force-with-lease={ref}:{old or ''}"
        words = ("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
        done = self._git.call(*words, lease, self._remote, f"{commit or ''}:{ref}")
        # After a failure the remote's state decides: the push may have worked and only its answer been lost.
        current = commit if not done.code else self._list_push_remote().get(branch)
        if current == commit:
            self._record(branch, commit)
            return True
        if current != old:
            self._refuse_lagging_mirror(branch, old)
            return False
        reason = self._git.redacted("\n".join([done.stdout.strip(), done.last_lines()]).strip())
        raise _rejected(branch, reason, deleted=commit is None)

    def _refuse_lagging_mirror(self, branch: str, old: str | None) -> None:
        """Raise ToolFailed if the branch only seems to have changed: the fetch address still has the old state.

        Then another run did not win a race. The fetch address is a mirror that does not show the push address, and
        every later run would fail in the same way.
        """
        if self._has_push_address() and self._list_remote(self._remote)[0].get(branch) == old:
            raise ToolFailed(
                f"{branch} differs between the fetch address and the push address of {self._remote}",
                hint="one may be a mirror that lags behind: use one address for both (see `git remote -v`)",
            )

    def _record(self, branch: str, commit: str | None) -> None:
        if commit is None:
            self._refs.pop(branch, None)
        else:
            self._refs[branch] = commit


def open_clone(root: Path, remote: str, base: str | None, token: str | None = None, user: str = "lockgen") -> Clone:
    """The clone at ``root``. ``token`` is sent to the remote's host, if that uses HTTPS, with the name ``user``.

    Raises:
        BadInput: the state of the clone does not allow an update, or it has no such remote.
        ToolFailed: the remote cannot be read.
    """
    clone = Clone(root, remote, token, user)
    clone.open(base)
    return clone


def _rejected(branch: str, reason: str, *, deleted: bool) -> ToolFailed:
    if deleted:
        return ToolFailed(
            f"the remote rejected the deletion of {branch}",
            reason=reason,
            hint="check that you may delete branches there and that no rule forbids it; or delete it by hand",
        )
    return ToolFailed(
        f"the remote rejected {branch}",
        reason=reason,
        hint="check that you may push there and that no rule forbids such a branch; no pull request was opened",
    )


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It belongs to another user.
        return True
    return True
