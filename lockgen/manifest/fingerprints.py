"""What a lock is made from, read from the project's folder, and its fingerprints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lockgen.core.compat_axes import Pairs, TorchRelease
from lockgen.core.manifest import Image, Manifest, Pin
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
        position = TomlPositions(self.text).find(path)
        line, column = position or (None, None)
        return Place(VERSIONS, line, column, dotted(path) or None)


def read_inputs(workspace: Workspace) -> Inputs:
    """Reads and checks versions.toml.

    Raises:
        BadInput: there is none, or it is at fault.
    """
    data = workspace.read(VERSIONS)
    if data is None:
        raise BadInput(
            f"there is no {VERSIONS} here",
            hint="run lockgen in the folder that holds it, or name it with --project",
        )
    manifest = parse_manifest(data, VERSIONS)
    return Inputs(data.decode("utf-8"), manifest)


def fingerprints(manifest: Manifest, workspace: Workspace) -> dict[str, str]:
    """Each input's fingerprint: the meaning of versions.toml (not its layout), and the recorded indexes."""
    found = {VERSIONS: _digest(_meaning(manifest))}
    for index in manifest.indexes.values():
        if index.recorded is not None:
            digest = record_digest(workspace.read, index.recorded)
            if digest is not None:
                found[f"index {index.name}"] = digest
    return found


def compat_fingerprint(manifest: Manifest, pairs: Pairs, workspace: Workspace) -> str:
    """The fingerprint of all that the compatibility matrix is made from.

    [compat] is not among a lock's inputs, nor is whether a pin is held: no lock becomes another by it. And a matrix
    depends on nothing that only Dockerfiles say.
    """
    meaning = _meaning(manifest)
    records = {name: digest for name, digest in fingerprints(manifest, workspace).items() if name != VERSIONS}
    keys = ("family", "target", "exclude-newer", "build", "indexes", "pins", "common")
    compat = manifest.compat
    return _digest(
        {key: meaning[key] for key in keys}
        | {
            "variants": {name: entry[1:3] for name, entry in meaning["variants"].items()},
            "images": {name: entry[:4] for name, entry in meaning["images"].items()},
            "held": [[*map(str, pin.path)] for pin in _pins(manifest) if pin.held],
            "records": records,
            "compat": compat
            and [
                [[axis.name, axis.values, axis.bound] for axis in compat.axes],
                compat.variants,
                [dict(entry.bounds) for entry in compat.exclude],
                sorted(compat.held),
            ],
            "pairs": {torch: [release.accelerator, _members(release)] for torch, release in pairs.items()},
        }
    )


def _pins(manifest: Manifest) -> list[Pin]:
    own = [pin for variant in manifest.variants.values() for pin in variant.pins.values()]
    return sorted([*manifest.pins.values(), *own], key=lambda pin: [str(part) for part in pin.path])


def _members(release: TorchRelease) -> dict[str, list[Any]]:
    return {name: [member.version, member.pythons] for name, member in release.members.items()}


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _meaning(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain data: neither comments, nor the order of tables and packages, nor spelling counts."""
    return {
        "family": manifest.family,
        "registry": manifest.registry,
        "target": [manifest.target.python, manifest.target.platform, manifest.target.glibc],
        "exclude-newer": manifest.exclude_newer.timestamp() if manifest.exclude_newer else None,
        "build": sorted(manifest.build),
        "indexes": {i.name: [redacted(i.url), sorted(i.packages), i.recorded] for i in manifest.indexes.values()},
        "variants": {
            v.name: [v.from_image, v.index, {name: str(pin.version) for name, pin in v.pins.items()}, v.ppa]
            for v in manifest.variants.values()
        },
        "pins": {name: str(pin.version) for name, pin in manifest.pins.items()},
        "common": sorted(ask.text for ask in manifest.common),
        "images": {image.name: _image(image) for image in manifest.images.values()},
        "user": [manifest.user.name, manifest.user.uid],
    }


def _image(image: Image) -> list[Any]:
    asks = sorted(ask.text for ask in image.packages)
    system = [list(image.apt), list(image.build_apt), list(image.copy), image.env, image.folders, image.preload]
    return [image.kind, image.base, list(image.variants), asks, *system, image.entrypoint]
