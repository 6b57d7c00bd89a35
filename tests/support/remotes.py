"""A project in a clone with a bare repository as its remote, and a forge in memory that counts its steps."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lockgen.update.model import Head, PullRequest
from lockgen.update.ports import Repository
from lockgen.update.pull_request_text import marks
from support.project import Project, Ran


def git(folder: Path, *arguments: str, who: str = "Ada") -> str:
    """Runs git as a person of that name; its output without the last new line."""
    person = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _person(who)}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **person}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _person(who: str) -> tuple[tuple[str, str], ...]:
    return ("NAME", who), ("EMAIL", f"{who.lower()}@example.org")


@dataclass(frozen=True)
class Clone:
    """A person's clone of ``remote``; ``project`` runs lockgen in it."""

    project: Project
    remote: Path

    @property
    def root(self) -> Path:
        return self.project.root

    def git(self, *arguments: str, who: str = "Ada") -> str:
        return git(self.root, *arguments, who=who)

    def commit(self, message: str) -> None:
        """Commits everything and pushes it to main."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "HEAD:main")

    def heads(self) -> dict[str, str]:
        """The remote's branches with their commits."""
        listed = git(self.remote, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
        return {name: commit for name, _, commit in (line.partition(" ") for line in listed.splitlines())}

    def message(self, branch: str) -> str:
        return git(self.remote, "log", "-1", "--format=%B", branch)

    def show(self, branch: str, path: str) -> str:
        return git(self.remote, "show", f"{branch}:{path}")

    def update(self, *arguments: str) -> Ran:
        return self.project.run("update", "--no-audit", *arguments)

    def add_commit(self, branch: str, who: str = "Grace") -> str:
        """Push a commit by ``who`` on top of ``branch``; returns it."""
        self.git("fetch", "-q", "origin", branch)
        tree = self.git("rev-parse", "FETCH_HEAD^{tree}")
        commit = self.git("commit-tree", tree, "-p", "FETCH_HEAD", "-m", "my own idea", who=who)
        self.git("push", "-q", "origin", f"{commit}:refs/heads/{branch}")
        return commit


def cloned(project: Project, folder: Path) -> Clone:
    """Makes ``project`` a clone of a new bare repository, its files committed on main."""
    remote = folder / "remote.git"
    git(folder, "init", "-q", "--bare", str(remote))
    git(project.root, "init", "-q")
    git(project.root, "remote", "add", "origin", str(remote))
    clone = Clone(project, remote)
    clone.commit("the family")
    git(project.root, "branch", "-q", "--set-upstream-to=origin/main")
    return clone


class Killed(BaseException):
    """The end of a process, as no handler of errors catches it."""


@dataclass
class Steps:
    """Counts what changes something outside, and dies before or after step number ``at``."""

    at: int | None = None
    after: bool = False
    done: list[str] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        dies = len(self.done) == self.at
        if dies and not self.after:
            raise Killed(name)
        self.done.append(name)
        result = work()
        if dies:
            raise Killed(name)
        return result


@dataclass
class MemoryForge:
    """A forge as ports.Forge has it: one pull request for a branch, comments that stay. ``done`` ones are merged."""

    remote: Path
    steps: Steps = field(default_factory=Steps)
    requests: dict[int, PullRequest] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    comments: dict[int, list[str]] = field(default_factory=dict)
    opened_ever: int = 0

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        ended = self.closed | self.done
        return [r for n, r in self.requests.items() if n not in ended and r.branch.startswith(prefix)]

    def declined(self, branch: str) -> Sequence[PullRequest]:
        return [r for n, r in self.requests.items() if n in self.closed and r.branch == branch]

    def merged(self, branch: str) -> Sequence[PullRequest]:
        return [r for n, r in self.requests.items() if n in self.done and r.branch == branch]

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        def work() -> PullRequest:
            there = [r for r in self.opened(branch) if r.branch == branch]
            if there:
                return there[0]
            number = len(self.requests) + 1
            self.opened_ever += 1
            url = f"https://forge.example/pull/{number}"
            self.requests[number] = PullRequest(number, url, branch, title, body, frozenset(), *marks(body))
            return self.requests[number]

        return self.steps.step("open", work)  # type: ignore[no-any-return]

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        self.steps.step("edit", lambda: self._put(request.number, title=title, body=body))

    def _put(self, number: int, **changed: Any) -> None:
        found = replace(self.requests[number], **changed)
        commit, moves = marks(found.body)
        self.requests[number] = replace(found, mark=commit, moves=moves)

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        held = self.requests[request.number].labels
        self.steps.step("label", lambda: self._put(request.number, labels=held | set(labels)))

    def close(self, request: PullRequest, word: str, body: str) -> None:
        def comment() -> None:
            if word not in self.comments.setdefault(request.number, []):
                self.comments[request.number].append(word)

        def close() -> None:
            self._put(request.number, body=body)
            self.closed.add(request.number)

        self.steps.step("comment", comment)
        self.steps.step("close", close)


class CountedRepository:
    """A real clone whose steps are counted."""

    def __init__(self, real: Repository, steps: Steps) -> None:
        self._real, self._steps = real, steps
        self.base_name, self.base = real.base_name, real.base

    def heads(self, prefix: str) -> Mapping[str, Head]:
        return self._real.heads(prefix)

    def read(self, commit: str, path: str, project: str | None = None) -> bytes | None:
        return self._real.read(commit, path, project)

    def is_merged(self, commit: str) -> bool:
        return self._real.is_merged(commit)

    def fresh(self) -> AbstractContextManager[str]:
        return self._real.fresh()

    def tree(self, folder: str) -> str:
        return self._real.tree(folder)

    def commit(self, tree: str, message: str) -> str:
        return self._steps.step("commit", lambda: self._real.commit(tree, message))  # type: ignore[no-any-return]

    def push(self, branch: str, commit: str, old: str | None) -> bool:
        return self._steps.step("push", lambda: self._real.push(branch, commit, old))  # type: ignore[no-any-return]

    def delete(self, branch: str, old: str) -> bool:
        return self._steps.step("delete", lambda: self._real.delete(branch, old))  # type: ignore[no-any-return]
