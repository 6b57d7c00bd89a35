"""The JSON documents of an image: docker's manifest.json, and the index, manifest and config of the OCI image format.

They come from a file or a registry, so nothing in them is trusted: a digest becomes a path or a part of a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lockgen.core.documents import parse_json
from lockgen.core.image_reference import is_digest
from lockgen.errors import BadInput


@dataclass(frozen=True)
class SavedImage:
    """One image of `docker save`: the names of its files in the archive, and its tags."""

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class ImageIndex:
    """The digests of the documents of an index, without attestations."""

    manifests: tuple[str, ...]


@dataclass(frozen=True)
class ImageManifest:
    """The digests of an image's config and of its layers, from the bottom up."""

    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class ImageConfig:
    """What lockgen reads of a config. ``history`` are the instructions that created a layer each."""

    history: tuple[str, ...]
    user: str
    entrypoint: tuple[str, ...]
    labels: Mapping[str, str]


def parse_saved_images(data: bytes) -> list[SavedImage]:
    """The images in the manifest.json of `docker save`.

    Raises:
        BadInput: it is not as docker writes it.
    """
    what = "manifest.json"
    images = []
    for entry in _list(_json(data, what), what):
        table = _table(entry, what)
        images.append(
            SavedImage(
                config=_text(table.get("Config"), f"Config in {what}"),
                layers=_texts(table.get("Layers"), f"Layers in {what}"),
                tags=_texts(table.get("RepoTags") or [], f"RepoTags in {what}"),
            )
        )
    return images


def parse_manifest(data: bytes | object, what: str) -> ImageIndex | ImageManifest:
    """The index or manifest in ``data``, JSON or already parsed. ``what`` names it in errors.

    Raises:
        BadInput: it is neither.
    """
    table = _table(_json(data, what) if isinstance(data, bytes) else data, what)
    if "manifests" in table:
        entries = [_table(entry, what) for entry in _list(table["manifests"], f"manifests in {what}")]
        return ImageIndex(tuple(_digest(entry, what) for entry in entries if _is_image(entry)))
    config = _digest(_table(table.get("config"), f"config in {what}"), what)
    layers = _list(table.get("layers"), f"layers in {what}")
    return ImageManifest(config, tuple(_digest(_table(entry, what), what) for entry in layers))


def parse_config(data: bytes | object, what: str) -> ImageConfig:
    """The config of an image in ``data``, JSON or already parsed. Missing fields are empty.

    Raises:
        BadInput: it is not a config.
    """
    table = _table(_json(data, what) if isinstance(data, bytes) else data, what)
    settings = _table(table.get("config") or {}, f"config in {what}")
    history = [_table(entry, what) for entry in _list(table.get("history") or [], f"history in {what}")]
    instructions = [entry.get("created_by") or "" for entry in history if not entry.get("empty_layer")]
    labels = _table(settings.get("Labels") or {}, f"Labels in {what}")
    return ImageConfig(
        history=_texts(instructions, f"history in {what}"),
        user=_text(settings.get("User") or "", f"User in {what}"),
        entrypoint=_texts(settings.get("Entrypoint") or [], f"Entrypoint in {what}"),
        labels={name: _text(value, f"Labels in {what}") for name, value in labels.items()},
    )


def _is_image(entry: Mapping[str, object]) -> bool:
    """False for an attestation, which BuildKit stores as an image of platform "unknown"."""
    platform = entry.get("platform")
    return not isinstance(platform, dict) or platform.get("os") != "unknown"


def _digest(entry: Mapping[str, object], what: str) -> str:
    digest = _text(entry.get("digest"), f"a digest in {what}")
    if not is_digest(digest):
        raise _invalid(f"{digest[:80]!r} in {what} is not a digest")
    return digest


def _json(data: bytes, what: str) -> object:
    try:
        return parse_json(data)
    except ValueError as error:
        raise _invalid(f"{what} is not JSON: {error}") from error


def _table(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _invalid(f"{what} is not a JSON object")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise _invalid(f"{what} is not a list")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{what} is not text")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    return tuple(_text(item, what) for item in _list(value, what))


def _invalid(reason: str) -> BadInput:
    return BadInput("this is not an image", reason=reason)
