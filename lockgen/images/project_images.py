"""The family's images as the project's files define them, for commands that build, verify or list them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lockgen.check.full_check import check
from lockgen.check.model import CheckFinding
from lockgen.core.close_match import close_match
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Fault, Place
from lockgen.io.workspace import Folder
from lockgen.lock.loading import missing_lock
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import read_inputs
from lockgen.outputs.generated_files import GeneratedFiles
from lockgen.outputs.model import FamilyPlan, ImagePlan, ImageVariant


@dataclass(frozen=True)
class Family:
    """versions.toml, its lock, and the images that follow from both. ``drift`` is what `check` found."""

    manifest: Manifest
    lock: Lock
    plan: FamilyPlan
    drift: tuple[CheckFinding, ...]


class SelectedImage(NamedTuple):
    """One image in one variant."""

    image: ImagePlan
    variant: ImageVariant

    @property
    def tag(self) -> str:
        return f"{self.image.name}:{self.variant.variant}"


def read_family(root: Path) -> Family:
    """Read the family under ``root``.

    Raises:
        BadInput: versions.toml or the lock is missing or invalid.
    """
    folder = Folder(root)
    with folder.shared():
        data = folder.read(LOCK_PATH)
        # Read before the test for the lock: a fault in versions.toml is the more useful message.
        inputs = read_inputs(folder)
        if data is None:
            raise missing_lock()
        drift = check(folder).findings
    lock = parse_lock(data, LOCK_PATH)
    return Family(inputs.manifest, lock, GeneratedFiles(inputs.manifest, lock).plan, tuple(drift))


def refuse_drift(family: Family, *, accept: bool = False) -> None:
    """Raise BadInput where `check` found drift, unless the user accepts it: builds must match the lock."""
    if accept:
        return
    faults = [
        Fault(f"generated files do not match the lock: {finding.message}", place=Place(finding.path), hint=finding.fix)
        for finding in family.drift
        if finding.is_drift
    ]
    if faults:
        raise BadInput.of(faults)


def select_images(plan: FamilyPlan, names: tuple[str, ...]) -> list[SelectedImage]:
    """The images that ``names`` select; all if none is given.

    A name is an IMAGE (in all its variants), IMAGE:VARIANT, or a bake target.

    Raises:
        BadInput: an image is unknown.
    """
    every = [SelectedImage(image, variant) for image in plan.images for variant in image.variants]
    if not names:
        return every
    selected: list[SelectedImage] = []
    for name in names:
        matches = _matches(name, every)
        if not matches:
            known = {image.name for image in plan.images} | {each.tag for each in every}
            raise BadInput(f"unknown image {name!r}", hint=close_match(name, known))
        selected += [each for each in matches if each not in selected]
    return selected


def _matches(name: str, images: Iterable[SelectedImage]) -> list[SelectedImage]:
    by_name = [each for each in images if name in {each.image.name, each.tag}]
    if by_name:
        return by_name
    # Tried last: `a-b` may be an image, and also the target of image `a` in variant `b`.
    return [each for each in images if each.variant.target == name]


def in_registry(reference: str, plan: FamilyPlan, registry: str | None) -> str:
    """``reference`` of an image of the family, moved to ``registry``; None keeps the registry of versions.toml."""
    if registry is None:
        return reference
    name = reference.removeprefix(f"{plan.registry}/") if plan.registry else reference
    return f"{registry}/{name}" if registry else name
