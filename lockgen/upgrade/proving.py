"""Run the images that a change of pins affects, before and after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lockgen.app import App
from lockgen.core.layout import VERSIONS
from lockgen.core.lock import Lock, LockedImage
from lockgen.diff.model import Changes
from lockgen.manifest.reader import parse_manifest
from lockgen.proof.model import ImageRun, RunChange
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
        manifest = parse_manifest(done.text.encode(), VERSIONS)
        after = Family(app, manifest, done.lock)
        tags = _changed(done.changes)
        if images is not None:
            tags = [tag for tag in tags if ":".join(tag) in images]
        old = self._run(self.base, tags)
        new = self._run(after, tags)
        return tuple(RunChange(tag, old.get(tag), run) for tag, run in new.items())

    def _run(self, family: Family | None, tags: Iterable[tuple[str, str]]) -> Mapping[str, ImageRun]:
        if family is None:
            return {}
        return self.prover.run(family, _images(family.lock, tags))


def _changed(changes: Changes) -> list[tuple[str, str]]:
    """The name and variant of each image with other packages, and of each new one."""
    changed = [(image.name, image.variant) for image in changes.images]
    return changed + [(image.name, image.variant) for image in changes.added]


def _images(lock: Lock, tags: Iterable[tuple[str, str]]) -> list[LockedImage]:
    return [lock.by_tag[tag] for tag in tags if tag in lock.by_tag]
