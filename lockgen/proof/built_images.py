"""Find the built image of a locked one on the current engine."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.lock import Lock, LockedImage
from lockgen.core.manifest import Manifest
from lockgen.errors import ToolFailed
from lockgen.io.containers import BuiltImage, Engine
from lockgen.outputs.generated_files import GeneratedFiles
from lockgen.outputs.model import ImageVariant
from lockgen.proof.check_run import CannotRun
from lockgen.proof.engine_place import EnginePlace

LOCK_LABEL = "dev.lockgen.lock"
"""The label with the fingerprint of the packages that an image was built with."""


@dataclass
class BuiltImages:
    """The images of one engine. ``gpus`` is what they get, None for nothing."""

    engine: Engine
    gpus: str | None = None
    _fault: str = ""

    def place(self, manifest: Manifest, image: LockedImage, reference: str) -> EnginePlace:
        """The image under ``reference`` as a place to run its checks.

        Raises:
            CannotRun: the engine does not answer, or has no such image.
        """
        built = self._find(image, reference)
        folders = [f"/app/{folder}" for link in manifest.chain(image.name) for folder in link.folders]
        return EnginePlace(self.engine, built, tuple(folders), self.gpus)

    def place_of_lock(self, manifest: Manifest, lock: Lock, image: LockedImage) -> EnginePlace:
        """The same, if the image was built from exactly ``lock``.

        Raises:
            CannotRun: also if it was built from another one.
        """
        planned = _planned(manifest, lock, image)
        place = self.place(manifest, image, planned.reference)
        if place.image.labels.get(LOCK_LABEL) != planned.fingerprint:
            raise CannotRun(f"the image {planned.reference} of the engine was built from another lock")
        return place

    def _find(self, image: LockedImage, reference: str) -> BuiltImage:
        # An engine that does not answer may take minutes to say so.
        if self._fault:
            raise CannotRun(self._fault)
        try:
            built = self.engine.image(reference)
        except ToolFailed as error:
            self._fault = _with_reason(error)
            raise CannotRun(self._fault) from error
        if built is None:
            raise CannotRun(
                f"the engine has no image {reference}: build it with `lockgen build {image.tag}`, or pull it"
            )
        return built


def _planned(manifest: Manifest, lock: Lock, image: LockedImage) -> ImageVariant:
    images = {planned.name: planned for planned in GeneratedFiles(manifest, lock).plan.images}
    return next(each for each in images[image.name].variants if each.variant == image.variant)


def _with_reason(error: ToolFailed) -> str:
    (fault,) = error.faults
    return f"{fault.message} ({' '.join(fault.reason.split())})" if fault.reason else fault.message
