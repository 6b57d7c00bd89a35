"""Base images that cannot work: another libc, another package manager, or an image made for another Python."""

from __future__ import annotations

from lockgen.core.base_image import ImagePython, platform_of, python_of, unsupported_system
from lockgen.core.manifest import Manifest, Variant
from lockgen.core.target import Target
from lockgen.manifest.faults import AddFault


def check_base_images(manifest: Manifest, add: AddFault) -> None:
    """Check the base image of every variant, as far as its name and tag show what it is."""
    for variant in manifest.variants.values():
        _check_system(variant, add)
        _check_platform(variant, manifest.target, add)
        _check_python(variant, manifest.target, add)


def _check_system(variant: Variant, add: AddFault) -> None:
    reason = unsupported_system(variant.from_image)
    if reason is not None:
        hint = 'choose an image of Debian or Ubuntu, as in "python:3.11-slim"'
        add(("variants", variant.name, "from"), f"`{variant.from_image}` cannot be the base: {reason}", hint)


def _check_platform(variant: Variant, target: Target, add: AddFault) -> None:
    platform = platform_of(variant.from_image)
    if platform is not None and platform != target.platform:
        message = f"`{variant.from_image}` is for {platform}, and [family] platform is {target.platform}"
        add(("variants", variant.name, "from"), message, "choose an image for the platform of the family")


def _check_python(variant: Variant, target: Target, add: AddFault) -> None:
    shown = python_of(variant.from_image)
    # Another image may have several Pythons, or get the family's by apt.
    if shown is None or not shown.is_official:
        return
    path = ("variants", variant.name, "from")
    if shown.implementation != "python":
        add(
            path,
            f"`{variant.from_image}` has {shown.implementation}, and wheels are locked for CPython {target.release}",
            f'choose an image of CPython, as in "python:{target.release}-slim"',
        )
    elif not _may_have(shown, target):
        message = f"`{variant.from_image}` has Python {shown.release}, and [family] python is {target.release}"
        add(path, message, f"choose the tag of Python {target.release}, or change [family] python")


def _may_have(shown: ImagePython, target: Target) -> bool:
    """Whether the shown Python, as far as it is shown, is that of ``target``."""
    if not shown.version:
        return True
    same_patch = shown.patch is None or target.patch is None or shown.patch == target.patch
    return shown.version == target.python and same_patch
