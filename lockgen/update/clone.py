"""The user's clone and its remote, for `lockgen update`: see ports.Repository.

All work is done in a worktree of its own, in the system's temporary folder, with a detached HEAD: the user's tree,
index and branches are never touched, and no hook of theirs runs. Commits are made without a branch, and pushed by name.
"""

from __future__ import annotations

import base64
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lockgen.errors import BadInput, ToolFailed
from lockgen.io import git
from lockgen.io.process import Finished, hide_credentials
from lockgen.update.model import Head

SECONDS = 600.0
PREFIX = "lockgen-update-"
"""How the temporary folders are called; a process number follows, so that those of dead runs are known."""

_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or `git am`",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}
# They change what git does or prints, or would write what it sends into a log.
_DROPPED = re.compile(r"GIT_(TRACE.*|CURL_VERBOSE|DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE)")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
LOCAL = "."
"""The clone itself as its remote: for branches without a remote."""
_WHOLE = ("core.sparseCheckout=false", "core.autocrlf=false", "core.eol=lf")
"""A worktree has every file, byte for byte: the user's settings may leave some out, or write other line ends."""
_OWN = tuple(word for setting in _WHOLE for word in ("-c", setting))
_PUSHED_TO = "lockgen-pushed-to"
"""How git calls the address that is pushed to, for one call: on a command line others would see what is in it."""


class Clone:
    """See ports.Repository. Made by ``opened``."""

    def __init__(self, root: Path, remote: str, token: str | None, user: str) -> None:
        self._root = root
        self._remote = remote
        self._secrets = _secrets(token, user)
        self._env = _environment(root, remote, self._secrets)
        self._refs: dict[str, str] = {}
        self._top = Path()
        self.project = "."
        self.base_name = ""
        self.base = ""

    # -- git -------------------------------------------------------------------

    def _call(
        self, *arguments: str, at: Path | None = None, stdin: str = "", more: Mapping[str, str] | None = None
    ) -> Finished:
        settings = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "gc.auto=0")
        env = {**self._env, **(more or {})}
        done = git.call(at or self._root, (*settings, *arguments), env=env, stdin=stdin, timeout=SECONDS)
        return Finished(done.code, done.stdout, self._hidden(done.stderr))

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return hide_credentials(text)

    def _git(self, what: str, *arguments: str, at: Path | None = None, more: Mapping[str, str] | None = None) -> str:
        """The output. Raises ToolFailed: git cannot do ``what``."""
        done = self._call(*arguments, at=at, more=more)
        if done.code:
            raise ToolFailed(f"git cannot {what}", reason=self._hidden(done.last_lines()), hint=_HINT)
        return done.stdout

    # -- what is there ---------------------------------------------------------

    def open(self, base: str | None) -> None:
        """Refuses a clone that nobody should work from, and reads the remote's branches.

        Raises:
            BadInput: it is no clone, it is dirty, something in it is unfinished, or there is no such base branch.
            ToolFailed: the remote cannot be read.
        """
        inside = self._call("rev-parse", "--show-toplevel")
        if inside.code:
            hint = "run lockgen in a clone of the repository that pull requests go to"
            raise BadInput("this folder is in no git repository", reason=inside.last_lines(), hint=hint)
        self._top = Path(os.path.realpath(inside.stdout.rstrip("\n")))
        self.project = os.path.relpath(os.path.realpath(self._root), self._top)
        self._refuse_unfinished()
        self._refuse_dirty()
        self._refs, default = self._listed()
        self.base_name = base or default or ""
        if not self.base_name:
            raise BadInput("the remote has no default branch", hint='name one: [update] base = "main"')
        if self.base_name not in self._refs:
            raise BadInput(
                f"there is no branch {self.base_name} on {self._remote}", hint='name another: [update] base = "main"'
            )
        self.base = self._refs[self.base_name]
        self._fetch([self.base_name])

    def _refuse_unfinished(self) -> None:
        for name, what in _UNFINISHED.items():
            path = self._git("say where its state is", "rev-parse", "--git-path", name).rstrip("\n")
            if os.path.lexists(os.path.join(self._root, path)):
                raise BadInput(
                    f"{what} is not finished in this clone",
                    hint="finish it, or give it up (`git status` says how); nothing was changed",
                )

    def _refuse_dirty(self) -> None:
        status = self._git("say what changed", "status", "--porcelain", "-z", "--untracked-files=normal", at=self._top)
        changed = [entry[3:] for entry in status.split("\0") if entry]
        if changed:
            named = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise BadInput(
                f"this clone has changes that no commit holds: {named}",
                hint="commit them, put them away (`git stash -u`), or let .gitignore name what is no change",
            )

    def _listed(self, *, pushed_to: bool = False) -> tuple[dict[str, str], str | None]:
        """The remote's branches with their commits, and its default branch; with ``pushed_to`` those of the address
        that is pushed to, which may be another one.
        """
        remote, more = self._remote, {}
        if pushed_to and self._is_apart():
            count = int(self._env.get("GIT_CONFIG_COUNT") or 0)
            named = {f"GIT_CONFIG_KEY_{count}": f"remote.{_PUSHED_TO}.url", f"GIT_CONFIG_VALUE_{count}": self._to()}
            remote, more = _PUSHED_TO, {**named, "GIT_CONFIG_COUNT": str(count + 1)}
        asked = ("ls-remote", "--symref", remote, "HEAD", "refs/heads/*")
        listed = self._git("read the remote", *asked, more=more)
        refs: dict[str, str] = {}
        default = None
        for line in listed.splitlines():
            value, _, name = line.partition("\t")
            if name == "HEAD" and value.startswith("ref: refs/heads/"):
                default = value.removeprefix("ref: refs/heads/")
            elif name.startswith("refs/heads/") and _COMMIT.fullmatch(value):
                refs[name.removeprefix("refs/heads/")] = value
        return refs, default

    def _to(self) -> str:
        """The address that is pushed to, as it is written."""
        return self._git("say where it pushes to", "remote", "get-url", "--push", "--", self._remote).strip()

    def _is_apart(self) -> bool:
        """Whether what is pushed to is not what is fetched from: a mirror, maybe."""
        if self._remote == LOCAL:
            return False
        return self._git("say where it fetches from", "remote", "get-url", "--", self._remote).strip() != self._to()

    def _fetch(self, branches: list[str]) -> None:
        """Brings the commits of ``branches`` without a name for them: no ref of the user's moves."""
        lacking = [name for name in branches if self._call("cat-file", "-e", f"{self._refs[name]}^{{tree}}").code]
        if lacking and self._remote != LOCAL:
            quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")
            wanted = [f"refs/heads/{name}" for name in lacking]
            # Without the empty map git would move the user's remote-tracking branches along.
            self._git("fetch from the remote", "fetch", *quiet, "--refmap=", self._remote, *wanted)
        for name in lacking:
            if self._call("cat-file", "-e", f"{self._refs[name]}^{{tree}}").code:
                raise ToolFailed(f"{name} moved on {self._remote} while it was read", hint="run it again")

    def heads(self, prefix: str) -> Mapping[str, Head]:
        """See ports.Repository; as they were when the clone was opened."""
        names = sorted(name for name in self._refs if name.startswith(prefix))
        self._fetch(names)
        return {name: self._head(self._refs[name]) for name in names}

    def _head(self, commit: str) -> Head:
        raw = self._git("read a commit", "cat-file", "commit", commit)
        top, _, message = raw.partition("\n\n")
        fields = [line.partition(" ") for line in top.splitlines()]
        tree = next(value for name, _, value in fields if name == "tree")
        return Head(commit, tree, tuple(value for name, _, value in fields if name == "parent"), message)

    def read(self, commit: str, path: str, project: str | None = None) -> bytes | None:
        """See ports.Repository."""
        whole = posixpath.normpath(posixpath.join(self.project if project is None else project, path))
        # A folder that a commit names may be anything; git has no word but an error for what is outside.
        if whole.startswith(("/", "../")) or not whole.isprintable():
            return None
        return git.show(self._top, commit, whole)

    def is_merged(self, commit: str) -> bool:
        """See ports.Repository; a partial history says no more often than it should, and never yes."""
        return self._call("merge-base", "--is-ancestor", commit, self.base).code == 0

    # -- work ------------------------------------------------------------------

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """See ports.Repository: a worktree, gone afterwards."""
        self._sweep()
        holder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        tree = os.path.join(holder, "tree")
        try:
            words = ("worktree", "add", "--quiet", "--detach", "--force", tree, self.base)
            self._git("make a worktree", *_OWN, *words)
            yield os.path.join(tree, self.project) if self.project != "." else tree
        finally:
            self._call("worktree", "remove", "--force", "--force", tree)
            shutil.rmtree(holder, ignore_errors=True)
            self._call("worktree", "prune")

    def _sweep(self) -> None:
        """Removes worktrees whose run was killed."""
        listed = self._call("worktree", "list", "--porcelain", "-z").stdout
        for entry in listed.split("\0"):
            found = re.fullmatch(rf"worktree (.*/{PREFIX}(\d+)-[^/]*)/tree", entry)
            if found and not _lives(int(found[2])):
                self._call("worktree", "remove", "--force", "--force", f"{found[1]}/tree")
                shutil.rmtree(found[1], ignore_errors=True)

    def tree(self, folder: str) -> str:
        """See ports.Repository."""
        self._git("add the new files", *_OWN, "add", "--all", ".", at=Path(folder))
        return self._git("write the tree", *_OWN, "write-tree", at=Path(folder)).strip()

    def commit(self, tree: str, message: str) -> str:
        """See ports.Repository. Its author is the one of git's own settings, or lockgen."""
        # `commit-tree`: no hook, no signature, no editor, no branch.
        done = self._call("commit-tree", tree, "-p", self.base, "-F", "-", stdin=message, more=self._author())
        if done.code:
            raise ToolFailed("git cannot commit", reason=done.last_lines(), hint=_HINT)
        return done.stdout.strip()

    def _author(self) -> dict[str, str]:
        known = {key: self._call("config", key).stdout.strip() for key in ("user.name", "user.email")}
        found = {}
        for role in ("AUTHOR", "COMMITTER"):
            for part, key, plain in (("NAME", "user.name", "lockgen"), ("EMAIL", "user.email", "lockgen@localhost")):
                name = f"GIT_{role}_{part}"
                found[name] = os.environ.get(name) or known[key] or plain
        return found

    def push(self, branch: str, commit: str, old: str | None) -> bool:
        """See ports.Repository.

        Raises:
            ToolFailed: the remote refuses, or cannot be reached; with its words.
        """
        return self._moved(branch, commit, old)

    def delete(self, branch: str, old: str) -> bool:
        """See ports.Repository."""
        return self._moved(branch, None, old)

    def _moved(self, branch: str, commit: str | None, old: str | None) -> bool:
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:{old or ''}"
        words = ("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
        done = self._call(*words, lease, self._remote, f"{commit or ''}:{ref}")
        if not done.code:
            self._note(branch, commit)
            return True
        # What the remote holds now tells an answer that was lost from a refusal, and a refusal from a race.
        there = self._listed(pushed_to=True)[0].get(branch)
        if there == commit:
            self._note(branch, commit)
            return True
        if there != old:
            return self._differs(branch, old)
        said = self._hidden("\n".join([done.stdout.strip(), done.last_lines()]).strip())
        if commit is None:
            raise ToolFailed(
                f"the remote does not let {branch} be removed",
                reason=said,
                hint="may this user remove branches there, or does a rule forbid it? remove it by hand, or allow it",
            )
        raise ToolFailed(
            f"the remote does not take {branch}",
            reason=said,
            hint="may this user push there, and does a rule forbid such a branch? nothing was opened for it",
        )

    def _differs(self, branch: str, old: str | None) -> bool:
        """False: somebody was quicker.

        Raises:
            ToolFailed: nobody was; what is fetched from shows it as it was, so it is no picture of what is pushed to.
        """
        if self._is_apart() and self._listed()[0].get(branch) == old:
            raise ToolFailed(
                f"{branch} is not the same where {self._remote} is fetched from and where it is pushed to",
                hint="is one a mirror that lags behind? let both be one address (`git remote -v` shows them)",
            )
        return False

    def _note(self, branch: str, commit: str | None) -> None:
        if commit is None:
            self._refs.pop(branch, None)
        else:
            self._refs[branch] = commit

    def address(self) -> str:
        """The remote's URL without credentials, "" where the clone is its own remote."""
        if self._remote == LOCAL:
            return ""
        return remote_address(self._root, self._remote)


_HINT = "is the remote there, and may this user read and write it? run it again: a run goes on where one ended"


def opened(root: Path, remote: str, base: str | None, token: str | None = None, user: str = "lockgen") -> Clone:
    """The clone at ``root``. ``token`` is sent to the remote's host, if that speaks HTTPS, with the name ``user``.

    Raises:
        BadInput: nobody should work from it, or it has no such remote.
        ToolFailed: the remote cannot be read.
    """
    clone = Clone(root, remote, token, user)
    clone.open(base)
    return clone


def remote_address(root: Path, remote: str) -> str:
    """The URL of a remote by its name, its credentials hidden.

    Raises:
        BadInput: there is no such remote.
    """
    done = git.call(root, ("remote", "get-url", "--push", "--", remote), timeout=60)
    if done.code:
        raise BadInput(
            f"this clone has no remote {remote!r}",
            reason=done.last_lines(),
            hint="--remote names another; with --no-forge, `--remote .` makes the branches in the clone itself",
        )
    return hide_credentials(done.stdout.strip())


def _secrets(token: str | None, user: str) -> tuple[str, ...]:
    if not token:
        return ()
    return token, base64.b64encode(f"{user}:{token}".encode()).decode()


def _environment(root: Path, remote: str, secrets: tuple[str, ...]) -> dict[str, str]:
    """Git's surroundings: it asks nobody, writes no trace, and gets the token as a header, on no command line."""
    env = {name: value for name, value in os.environ.items() if not _DROPPED.fullmatch(name)}
    env |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    parts = urlsplit(remote_address(root, remote)) if secrets and remote != LOCAL else None
    if parts is None or parts.scheme not in {"https", "http"} or not _may_see(parts.scheme, parts.hostname):
        return env
    host = parts.netloc.rsplit("@", 1)[-1]
    key = f"http.{parts.scheme}://{host}/.extraheader"
    count = int(env.get("GIT_CONFIG_COUNT") or 0)
    # The empty value drops one that the clone's own settings have (actions/checkout): two are refused.
    for number, value in enumerate(("", f"AUTHORIZATION: basic {secrets[1]}"), count):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**env, "GIT_CONFIG_COUNT": str(count + 2)}


def _may_see(scheme: str, host: str | None) -> bool:
    """Whether a token may be sent there: over HTTPS, or to this very machine."""
    return scheme == "https" or host in {"127.0.0.1", "localhost", "::1"}


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
