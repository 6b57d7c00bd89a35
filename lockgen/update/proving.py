"""Run the images that an update changes, before and after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lockgen.app import App
from lockgen.core.layout import VERSIONS
from lockgen.core.lock import Lock, LockedImage
from lockgen.diff.model import Changes
from lockgen.manifest.reader import parse_manifest
from lockgen.proof.model import Problem, RunChange
from lockgen.proof.service import Family, Prover
from lockgen.upgrade.bump_model import Bumped


@dataclass(frozen=True)
class UpdateProof:
    """Compares the images of updates with those of ``base``, the base branch."""

    base: Family
    prover: Prover

    def changes(self, app: App, done: Bumped) -> tuple[RunChange, ...]:
        """What ``done`` does to each image that it changes. Images that do not change are not run.

        An update of a base image alone changes no package, so nothing is run.
        """
        if done.lock is None:
            return ()
        after = Family(app, parse_manifest(done.text.encode(), VERSIONS), done.lock)
        tags = _changed(done.changes)
        old = self.prover.run(self.base, _images(self.base.lock, tags))
        new = self.prover.run(after, _images(done.lock, tags))
        return tuple(RunChange(tag, old.get(tag), run) for tag, run in new.items())


def _changed(changes: Changes) -> list[tuple[str, str]]:
    """The name and variant of each image with other packages, and of each new one."""
    changed = [(image.name, image.variant) for image in changes.images]
    return changed + [(image.name, image.variant) for image in changes.added]


def _images(lock: Lock, tags: Iterable[tuple[str, str]]) -> list[LockedImage]:
    return [lock.by_tag[tag] for tag in tags if tag in lock.by_tag]


def suspects(problems: Iterable[Problem], moved: Collection[str]) -> list[str]:
    """The moved packages that ``problems`` name: who has the problem, else what it requires.

    If a problem names none of them, but only one package moved, it is that one.
    """
    found: dict[str, None] = {}
    for problem in problems:
        name = _suspect(problem, moved)
        if name is not None:
            found[name] = None
    return list(found)


def _suspect(problem: Problem, moved: Collection[str]) -> str | None:
    if problem.by in moved:
        return problem.by
    if problem.bound is not None and problem.bound.package in moved:
        return problem.bound.package
    return next(iter(moved)) if len(moved) == 1 else None
