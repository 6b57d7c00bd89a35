"""Base images that cannot work: another libc, another package manager, or an image made for another Python."""

from __future__ import annotations

from lockgen.core.base_image import python_of, unsupported_system
from lockgen.core.manifest import Manifest, Variant
from lockgen.manifest.faults import AddFault


def check_base_images(manifest: Manifest, add: AddFault) -> None:
    """Check the base image of every variant, as far as its name and tag show what it is."""
    for variant in manifest.variants.values():
        _check_system(variant, add)
        _check_python(variant, manifest.target.python, add)


def _check_system(variant: Variant, add: AddFault) -> None:
    reason = unsupported_system(variant.from_image)
    if reason is not None:
        hint = 'choose an image of Debian or Ubuntu, as in "python:3.11-slim"'
        add(("variants", variant.name, "from"), f"`{variant.from_image}` cannot be the base: {reason}", hint)


def _check_python(variant: Variant, python: str, add: AddFault) -> None:
    shown = python_of(variant.from_image)
    # Another image may have several Pythons, or get the family's by apt.
    if shown is None or not shown.is_official:
        return
    path = ("variants", variant.name, "from")
    if shown.implementation != "python":
        add(path, f"`{variant.from_image}` has {shown.implementation}, and wheels are locked for CPython {python}")
    elif shown.version and shown.version != python:
        message = f"`{variant.from_image}` has Python {shown.version}, and [family] python is {python}"
        add(path, message, f"choose the tag of Python {python}, or change [family] python")
