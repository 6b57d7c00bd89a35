"""Explain a resolution that failed in terms of images, pins and lines of versions.toml."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Index, Manifest
from lockgen.core.words import counted
from lockgen.errors import Fault
from lockgen.lock.blame import Blame, blame
from lockgen.manifest.fingerprints import Inputs

_SHOWN = 6
"""The most requirements that are named for one package."""
_PROOF = 20
"""The most lines that are shown of a resolver's reason. A proof about many releases can have hundreds."""
_HINT = (
    "change one of these pins, or give the conflicting image a variant with its own pins. lockgen explain shows which"
    " lines conflict and why, lockgen repair the smallest change"
)


def explain_unsolved(inputs: Inputs, variants: Sequence[str], fault: Fault) -> Fault:
    """The resolver's reason, then each package in it with its pin and the requirements that name it."""
    reason = fault.reason or ""
    blamed = blame(inputs.manifest, variants, reason)
    lines = _shortened(reason.splitlines())
    if blamed:
        width = max(len(entry.name) for entry in blamed)
        lines.append("")
        lines += [f"{entry.name:{width}}  {_origin(inputs, entry)}" for entry in blamed]
    path = _path(blamed)
    images = ", ".join(variants)
    return Fault(
        f"{fault.message} for the images of {images}",
        place=inputs.place(path) if path is not None else None,
        reason="\n".join(lines),
        hint=_missing_index(inputs.manifest, variants, blamed) or fault.hint or _HINT,
    )


def _shortened(proof: list[str]) -> list[str]:
    hidden = len(proof) - _PROOF
    if hidden <= 0:
        return proof
    return [*proof[:_PROOF], f"... and {counted(hidden, 'more line')}; lockgen explain shows all of them"]


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
    pin = entry.pin
    if pin is not None:
        line = inputs.place(pin.path).line
        parts.append(f"pinned to {pin.version} at line {line}")
    if entry.required_by:
        requirements = []
        for name, text, path in entry.required_by[:_SHOWN]:
            line = inputs.place(path).line
            requirements.append(f"{name} (line {line}: {text})")
        hidden = len(entry.required_by) - _SHOWN
        more = f" and {hidden} more" if hidden > 0 else ""
        parts.append(f"required by {', '.join(requirements)}{more}")
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
    listing = [index for index in manifest.indexes.values() if package in index.packages]
    listing.sort(key=lambda index: index.name)
    for index in listing:
        if index.accelerator == local:
            return index
    return listing[0] if listing else None
