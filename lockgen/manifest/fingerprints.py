"""The inputs of a lock, read from the project's folder, and their fingerprints.

Locks and matrices on disk contain these fingerprints. So the order and shape of the values that are hashed must not
change, however odd they look: every lock would become stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lockgen.core.compat_axes import Compat, Pairs
from lockgen.core.manifest import Image, Index, Manifest, Pin, Variant
from lockgen.core.ports import Workspace
from lockgen.core.toml_positions import TomlPositions, dotted
from lockgen.core.urls import redacted
from lockgen.errors import BadInput, Place
from lockgen.manifest.reader import parse_manifest
from lockgen.manifest.record_digests import record_digest

VERSIONS = "versions.toml"


@dataclass(frozen=True)
class Inputs:
    """versions.toml as text and as values."""

    text: str
    manifest: Manifest

    def place(self, path: tuple[str | int, ...]) -> Place:
        line, column = self._positions.find(path) or (None, None)
        return Place(VERSIONS, line, column, dotted(path) or None)

    @cached_property
    def _positions(self) -> TomlPositions:
        # Kept, because the first query scans the text.
        return TomlPositions(self.text)


def read_inputs(workspace: Workspace) -> Inputs:
    """Read and check versions.toml.

    Raises:
        BadInput: the file is missing or invalid.
    """
    data = workspace.read(VERSIONS)
    if data is None:
        hint = "run lockgen in the folder that contains it or below it, or name that folder with --project"
        raise BadInput(f"{VERSIONS} not found in this folder", hint=hint)
    manifest = parse_manifest(data, VERSIONS)
    return Inputs(data.decode("utf-8"), manifest)


def fingerprints(manifest: Manifest, workspace: Workspace) -> dict[str, str]:
    """Each input's fingerprint: the meaning of versions.toml (not its layout), and the recorded indexes."""
    found = {VERSIONS: _digest(_meaning(manifest))}
    for index in manifest.indexes.values():
        if index.recorded is None:
            continue
        digest = record_digest(workspace.read, index.recorded)
        # A record may be named before `lockgen record` has written it.
        if digest is not None:
            found[f"index {index.name}"] = digest
    return found


def compat_fingerprint(manifest: Manifest, pairs: Pairs, workspace: Workspace) -> str:
    """The fingerprint of all that the compatibility matrix is made from.

    [compat] is not an input of the lock, nor is `held`: neither changes what is locked. And a matrix does not depend on
    values that only end up in Dockerfiles.
    """
    meaning = _meaning(manifest)
    keys = ("family", "target", "exclude-newer", "build", "indexes", "pins", "common")
    document = {key: meaning[key] for key in keys}
    # Index and pins.
    document["variants"] = {name: entry[1:3] for name, entry in meaning["variants"].items()}
    # Kind, base, variants and requirements.
    document["images"] = {name: entry[:4] for name, entry in meaning["images"].items()}
    pins = _sorted_pins(manifest)
    document["held"] = [pin.path for pin in pins if pin.held]
    records = fingerprints(manifest, workspace)
    del records[VERSIONS]
    document["records"] = records
    document["compat"] = _compat(manifest.compat) if manifest.compat else None
    document["pairs"] = _pairs(pairs)
    return _digest(document)


def _sorted_pins(manifest: Manifest) -> list[Pin]:
    pins = list(manifest.pins.values())
    for variant in manifest.variants.values():
        pins += variant.pins.values()
    return sorted(pins, key=lambda pin: [str(part) for part in pin.path])


def _compat(compat: Compat) -> list[Any]:
    axes = [[axis.name, axis.values, axis.bound] for axis in compat.axes]
    exclusions = [dict(exclusion.bounds) for exclusion in compat.exclude]
    held = sorted(compat.held)
    return [axes, compat.variants, exclusions, held]


def _pairs(pairs: Pairs) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for torch, release in pairs.items():
        members: dict[str, Any] = {}
        for name, member in release.members.items():
            members[name] = [member.version, member.pythons]
        document[torch] = [release.accelerator, members]
    return document


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _meaning(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain data, without comments, spelling, and the order of tables and packages."""
    target = manifest.target
    # A timestamp: the same time may be written with any offset.
    cutoff = manifest.exclude_newer.timestamp() if manifest.exclude_newer else None
    return {
        "family": manifest.family,
        "registry": manifest.registry,
        "target": [target.release, target.platform, target.glibc],
        "exclude-newer": cutoff,
        "build": sorted(manifest.build),
        "indexes": {index.name: _index(index) for index in manifest.indexes.values()},
        "variants": {variant.name: _variant(variant) for variant in manifest.variants.values()},
        "pins": _pins(manifest.pins),
        "common": sorted(requirement.text for requirement in manifest.common),
        "images": {image.name: _image(image) for image in manifest.images.values()},
        "user": [manifest.user.name, manifest.user.uid],
    }


def _pins(pins: Mapping[str, Pin]) -> dict[str, str]:
    return {name: str(pin.version) for name, pin in pins.items()}


def _index(index: Index) -> list[Any]:
    # Without credentials: they differ between machines.
    return [redacted(index.url), sorted(index.packages), index.recorded]


def _variant(variant: Variant) -> list[Any]:
    return [variant.from_image, variant.index, _pins(variant.pins), variant.ppa]


def _image(image: Image) -> list[Any]:
    return [
        image.kind,
        image.base,
        list(image.variants),
        sorted(requirement.text for requirement in image.packages),
        list(image.apt),
        list(image.build_apt),
        list(image.copy),
        image.env,
        image.folders,
        image.preload,
        image.entrypoint,
    ]
