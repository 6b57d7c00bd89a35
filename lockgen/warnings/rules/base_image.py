"""A base image whose name leaves open what it is, or that has another Python."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.core.base_image import ImagePython, python_of
from lockgen.core.image_reference import parse_reference
from lockgen.core.manifest import Variant
from lockgen.core.target import Target
from lockgen.warnings.model import FamilyWarning, WarningContext


def base_image(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about a base image without a tag or with `latest`, without a Python in its tag, or with another one."""
    target = context.manifest.target
    python = target.python
    for variant in context.manifest.variants.values():
        yield from _floating(variant)
        shown = python_of(variant.from_image)
        if shown is None:
            continue
        if shown.version == python:
            yield from _patch_release(variant, shown, target)
            continue
        if not shown.version:
            message = f"the tag of `{variant.from_image}` does not say which Python it has"
            hint = f"choose one that names Python {python}"
        else:
            message = f"`{variant.from_image}` shows Python {shown.version}, and [family] python is {python}"
            hint = f"the image then gets Python {python} from its distribution, as a second one"
        yield FamilyWarning("base-image", message, ("variants", variant.name, "from"), hint)


def _patch_release(variant: Variant, shown: ImagePython, target: Target) -> Iterator[FamilyWarning]:
    """Warn if only one of [family] and the tag names the patch release: the image may need other packages."""
    if not shown.is_official or (shown.patch is None) == (target.patch is None):
        return
    path = ("variants", variant.name, "from")
    if shown.patch is None:
        message = f"the patch release of `{variant.from_image}` is open, and [family] python is {target.release}"
        hint = f"choose the tag of Python {target.release}"
    else:
        message = f"`{variant.from_image}` has Python {shown.release}, and the lock is for every {target.python}"
        hint = f'to lock for this release: [family] python = "{shown.release}"'
    yield FamilyWarning("base-image", message, path, hint)


def _floating(variant: Variant) -> Iterator[FamilyWarning]:
    reference = parse_reference(variant.from_image)
    if reference.digest is not None or (reference.tagged and reference.tag != "latest"):
        return
    message = f"`{variant.from_image}` is another image with each release: it has no tag, or `latest`"
    hint = "name a version, and a digest where nothing may change"
    yield FamilyWarning("base-image", message, ("variants", variant.name, "from"), hint)
