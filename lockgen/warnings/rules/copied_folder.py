"""A folder that an image copies, and that does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.warnings.model import FamilyWarning, WarningContext


def copied_folder(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about each folder in `copy` that is not there: the build of the image will fail."""
    for image in context.manifest.images.values():
        section = f"{image.kind}s"
        for position, folder in enumerate(image.copy):
            if not context.is_folder(folder):
                message = f"`{image.name}` copies {folder}, which is not a folder of the project"
                hint = "create it, or remove it from `copy`"
                yield FamilyWarning("copied-folder", message, (section, image.name, "copy", position), hint)
