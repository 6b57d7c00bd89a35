"""Explain a resolution that failed in terms of images, pins and lines of versions.toml."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Index, Manifest
from lockgen.errors import Fault
from lockgen.lock.blame import Blame, blame
from lockgen.manifest.fingerprints import Inputs

_SHOWN_ASKERS = 6
"""The most requirements that are named for one package."""
_HINT = "move one of these pins, or give the conflicting image a variant with its own pins"


def explain_unsolved(inputs: Inputs, variants: Sequence[str], fault: Fault) -> Fault:
    """The resolver's reason, then each package in it with its pin and the requirements that name it."""
    reason = fault.reason or ""
    blamed = blame(inputs.manifest, variants, reason)
    width = max((len(entry.name) for entry in blamed), default=0)
    lines = [f"{entry.name:{width}}  {_origin(inputs, entry)}" for entry in blamed]
    path = _path(blamed)
    return Fault(
        f"{fault.message} for the images of {', '.join(variants)}",
        place=inputs.place(path) if path is not None else None,
        reason="\n".join([reason, "", *lines] if lines else [reason]),
        hint=_missing_index(inputs.manifest, variants, blamed) or fault.hint or _HINT,
    )


def _path(blamed: Sequence[Blame]) -> KeyPath | None:
    """The place of the first pin, or else of the first requirement: a pin is easier to move."""
    for entry in blamed:
        if entry.pin is not None:
            return entry.pin.path
    for entry in blamed:
        if entry.required_by:
            _, _, path = entry.required_by[0]
            return path
    return None


def _origin(inputs: Inputs, entry: Blame) -> str:
    """The pin and the requirements of one package, with their lines."""
    parts = []
    if entry.pin is not None:
        parts.append(f"pinned to {entry.pin.version} at line {inputs.place(entry.pin.path).line}")
    if entry.required_by:
        askers = [
            f"{who} (line {inputs.place(path).line}: {text})" for who, text, path in entry.required_by[:_SHOWN_ASKERS]
        ]
        rest = len(entry.required_by) - _SHOWN_ASKERS
        more = f" and {rest} more" if rest > 0 else ""
        parts.append(f"required by {', '.join(askers)}{more}")
    return "; ".join(parts)


def _missing_index(manifest: Manifest, variants: Sequence[str], blamed: Sequence[Blame]) -> str | None:
    """A hint if a variant looks on the default index for a build (2.5.1+cu121) that only another index has."""
    for variant in variants:
        pins = manifest.pins_of(variant)
        for entry in blamed:
            pin = pins.get(entry.name)
            if pin is None or pin.version.local is None or manifest.index_of(entry.name, variant) is not None:
                continue
            index = _index_for(manifest, entry.name, pin.version.local)
            if index is not None:
                use = f'[variants.{variant}] index = "{index.name}"'
                return f"{entry.name} {pin.version} is on index {index.name}: {use}"
    return None


def _index_for(manifest: Manifest, package: str, local: str) -> Index | None:
    """The index that lists ``package``; if several do, the one of the accelerator ``local``."""
    indexes = [index for index in manifest.indexes.values() if package in index.packages]
    return min(indexes, key=lambda index: (index.accelerator != local, index.name), default=None)
