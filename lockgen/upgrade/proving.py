"""Run the images that a change of pins affects, before and after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lockgen.app import App
from lockgen.core.layout import VERSIONS
from lockgen.core.lock import Lock, LockedImage
from lockgen.diff.model import Changes
from lockgen.manifest.reader import parse_manifest
from lockgen.proof.model import RunChange
from lockgen.proof.service import Family, Prover
from lockgen.upgrade.bump_model import Bumped


@dataclass(frozen=True)
class UpgradeProof:
    """Compares images with those of ``base``, the family before the change; None without a lock."""

    base: Family | None
    prover: Prover

    def changes(self, app: App, done: Bumped, images: Collection[str] | None = None) -> tuple[RunChange, ...]:
        """What ``done`` does to each image that it changes; with ``images``, only to those of these tags.

        Images that do not change are not run. A new base image alone changes no package, so nothing is run.
        """
        if done.lock is None:
            return ()
        after = Family(app, parse_manifest(done.text.encode(), VERSIONS), done.lock)
        tags = [tag for tag in _changed(done.changes) if images is None or ":".join(tag) in images]
        old = self.prover.run(self.base, _images(self.base.lock, tags)) if self.base is not None else {}
        new = self.prover.run(after, _images(done.lock, tags))
        return tuple(RunChange(tag, old.get(tag), run) for tag, run in new.items())


def _changed(changes: Changes) -> list[tuple[str, str]]:
    """The name and variant of each image with other packages, and of each new one."""
    changed = [(image.name, image.variant) for image in changes.images]
    return changed + [(image.name, image.variant) for image in changes.added]


def _images(lock: Lock, tags: Iterable[tuple[str, str]]) -> list[LockedImage]:
    return [lock.by_tag[tag] for tag in tags if tag in lock.by_tag]
