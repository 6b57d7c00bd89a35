"""The family's images as the files in the folder have them, for commands that build, verify or measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lockgen.check.full_check import CheckFinding, check
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Fault, Place
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import read_inputs
from lockgen.manifest.reader import close_match
from lockgen.outputs.generated_files import GeneratedFiles
from lockgen.outputs.model import FamilyPlan, ImagePlan, ImageVariant


@dataclass(frozen=True)
class Family:
    """versions.toml, its lock, and the plan of images that both come to. ``drift`` is what `check` finds."""

    manifest: Manifest
    lock: Lock
    plan: FamilyPlan
    drift: tuple[CheckFinding, ...]


def read_family(root: Path) -> Family:
    """The family under ``root``.

    Raises:
        BadInput: versions.toml or the lock is missing or at fault.
    """
    folder = Folder(root)
    with folder.shared():
        data = folder.read(LOCK_PATH)
        inputs = read_inputs(folder)
        if data is None:
            raise BadInput("there is no lock yet", place=Place(LOCK_PATH), hint="run `lockgen resolve`")
        drift = check(folder)
    lock = parse_lock(data, LOCK_PATH)
    return Family(inputs.manifest, lock, GeneratedFiles(inputs.manifest, lock).plan, tuple(drift))


def refuse_drift(family: Family, *, accept: bool = False) -> None:
    """What is built must be what is locked: raises BadInput where `check` finds something."""
    if not accept and any(finding.is_drift for finding in family.drift):
        raise BadInput.of(
            [
                Fault(
                    f"this is not what the lock comes to: {finding.message}",
                    place=Place(finding.path),
                    hint=finding.mend,
                )
                for finding in family.drift
                if finding.is_drift
            ]
        )


def chosen(plan: FamilyPlan, names: tuple[str, ...]) -> list[tuple[ImagePlan, ImageVariant]]:
    """The images that ``names`` say: IMAGE for all its variants, IMAGE:VARIANT for one; all where none is named.

    Raises:
        BadInput: there is no such image.
    """
    every = [(image, variant) for image in plan.images for variant in image.variants]
    if not names:
        return every
    found = []
    known = {image.name for image in plan.images} | {f"{i.name}:{v.variant}" for i, v in every}
    for name in names:
        own = [(i, v) for i, v in every if name in {i.name, f"{i.name}:{v.variant}"}]
        own = own or [(i, v) for i, v in every if name == v.target]  # `a-b` is rather an image than `a` in `b`
        if not own:
            raise BadInput(f"there is no image {name!r} in this family", hint=close_match(name, known))
        found += [pair for pair in own if pair not in found]
    return found
