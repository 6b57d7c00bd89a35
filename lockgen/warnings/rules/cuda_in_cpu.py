"""A variant for the CPU that installs the libraries of CUDA."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.core import accelerator
from lockgen.core.lock import Package
from lockgen.core.manifest import Variant
from lockgen.core.text_table import megabytes
from lockgen.warnings.model import FamilyWarning, WarningContext

_NVIDIA = "nvidia-"


def cuda_in_cpu(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn if a variant without an accelerator takes packages of NVIDIA.

    The builds of torch on the default index are for CUDA. On a machine without a GPU their libraries are gigabytes that
    nothing uses.
    """
    for variant in context.manifest.variants.values():
        if not _is_for_cpu(context, variant):
            continue
        found = [
            package
            for package in context.lock.packages
            if variant.name in package.variants and package.name.startswith(_NVIDIA)
        ]
        if found:
            count = f"{len(found)} package{'s' if len(found) != 1 else ''}"
            message = f"variant `{variant.name}` installs {count} of NVIDIA ({_size(found)})"
            hint = "take torch from an index of CPU builds: an [index] with https://download.pytorch.org/whl/cpu"
            yield FamilyWarning("cuda-in-cpu", message, ("variants", variant.name), hint)


def _is_for_cpu(context: WarningContext, variant: Variant) -> bool:
    """Whether nothing of the variant names a GPU: neither its base image, nor its index, nor a build that is pinned."""
    if accelerator.of_image(variant.from_image) is not None:
        return False
    manifest = context.manifest
    if variant.index is not None:
        return manifest.indexes[variant.index].accelerator in {None, "cpu"}
    pins = manifest.pins_of(variant.name).values()
    builds = {accelerator.of_version(pin.version) for pin in pins}
    return builds <= {None, "cpu"}


def _size(packages: list[Package]) -> str:
    sizes = [package.chosen.size for package in packages if package.chosen.size is not None]
    # Some indexes give no sizes.
    return megabytes(sum(sizes)) if sizes else "size unknown"
