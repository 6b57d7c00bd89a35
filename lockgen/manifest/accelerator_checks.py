"""One accelerator per image: the builds of the pins, the index and the base image of a variant must agree."""

from __future__ import annotations

from lockgen.core import accelerator
from lockgen.core.manifest import Index, Manifest, Pin, Variant
from lockgen.manifest.faults import AddFault


def check_accelerators(manifest: Manifest, add: AddFault) -> None:
    """Check every variant that has an index. The default index has builds for any accelerator."""
    for variant in manifest.variants.values():
        if variant.index is None:
            continue
        index = manifest.indexes[variant.index]
        _check_pins(manifest, variant, index, add)
        _check_base_image(variant, index, add)


def _check_base_image(variant: Variant, index: Index, add: AddFault) -> None:
    of_image = accelerator.of_image(variant.from_image)
    # None: the name does not show it. Then only the build of the image can find a conflict.
    if of_image is None or index.accelerator is None or of_image == index.accelerator:
        return
    message = f"`{variant.from_image}` is for {of_image}, index `{index.name}` for {index.accelerator}"
    hint = "one accelerator per image: choose a base image for the index, or an index for the image"
    add(("variants", variant.name, "from"), message, hint)


def _check_pins(manifest: Manifest, variant: Variant, index: Index, add: AddFault) -> None:
    """Compare builds with the accelerator of the index; if its URL shows none, with the first other build."""
    first_name, first_build = "", None
    pins = manifest.pins_of(variant.name)
    for name, pin in sorted(pins.items()):
        build = accelerator.of_version(pin.version)
        if name not in index.packages or build is None:
            continue
        if first_build is None:
            first_name, first_build = name, build
        expected = index.accelerator or first_build
        if build == expected:
            continue
        if index.accelerator is not None:
            _add_wrong_build(name, pin, build, variant, index, add)
        else:
            message = f"{name} is a {build} build, {first_name} a {first_build} build"
            add(pin.path, message, "make them agree")


def _add_wrong_build(name: str, pin: Pin, build: str, variant: Variant, index: Index, add: AddFault) -> None:
    expected = index.accelerator
    source = f"variant `{variant.name}` takes it from {index.name} ({expected})"
    message = f"{name} {pin.version} is a {build} build, {source}"
    hint = f"pin {name} to a +{expected} version, or give the variant an index for {build}"
    add(pin.path, message, hint)
