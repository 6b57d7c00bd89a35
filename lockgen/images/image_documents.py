"""The JSON documents of an image: docker's manifest.json, and the index, manifest and config of the OCI image format.

They come from a file or a registry, so nothing in them is trusted: a digest becomes a path or a part of a URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockgen.core.documents import parse_json
from lockgen.core.image_reference import is_digest
from lockgen.images.layer_model import InvalidImage

_MOST_LAYERS = 1000
"""The most layers of an image. Engines stop at 127."""
_MOST_ENTRIES = 1000
"""The most images in an index or an archive, and the most tags of an image."""


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
        InvalidImage: it is not as docker writes it.
    """
    what = "manifest.json"
    images = []
    tables = _tables(_json(data, what), what)
    _refuse_many(tables, _MOST_ENTRIES, f"images in {what}")
    for table in tables:
        config = _text(table.get("Config"), f"Config in {what}")
        layers = _texts(table.get("Layers"), f"Layers in {what}")
        tags = _texts(table.get("RepoTags") or [], f"RepoTags in {what}")
        _refuse_many(layers, _MOST_LAYERS, f"layers in {what}")
        _refuse_many(tags, _MOST_ENTRIES, f"tags in {what}")
        images.append(SavedImage(config, layers, tags))
    return images


def parse_manifest(data: bytes | object, what: str) -> ImageIndex | ImageManifest:
    """The index or manifest in ``data``, JSON or already parsed. ``what`` names it in errors.

    Raises:
        InvalidImage: it is neither.
    """
    table = _document(data, what)
    if "manifests" in table:
        entries = _tables(table["manifests"], f"manifests in {what}")
        _refuse_many(entries, _MOST_ENTRIES, f"manifests in {what}")
        digests = [_digest(entry, what) for entry in entries if _is_image(entry)]
        return ImageIndex(tuple(digests))
    config = _table(table.get("config"), f"config in {what}")
    layers = _tables(table.get("layers"), f"layers in {what}")
    _refuse_many(layers, _MOST_LAYERS, f"layers in {what}")
    digests = [_digest(entry, what) for entry in layers]
    return ImageManifest(_digest(config, what), tuple(digests))


def parse_config(data: bytes | object, what: str) -> ImageConfig:
    """The config of an image in ``data``, JSON or already parsed. Missing fields are empty.

    Raises:
        InvalidImage: it is not a config.
    """
    table = _document(data, what)
    settings = _table(table.get("config") or {}, f"config in {what}")
    user = settings.get("User") or ""
    entrypoint = settings.get("Entrypoint") or []
    return ImageConfig(
        history=_instructions(table, what),
        user=_text(user, f"User in {what}"),
        entrypoint=_texts(entrypoint, f"Entrypoint in {what}"),
        labels=_labels(settings, what),
    )


def _instructions(config: Mapping[str, object], what: str) -> tuple[str, ...]:
    """The instructions that created a layer each."""
    where = f"history in {what}"
    entries = _tables(config.get("history") or [], where)
    # An instruction such as ENV creates no layer.
    created = [entry.get("created_by") or "" for entry in entries if not entry.get("empty_layer")]
    return _texts(created, where)


def _labels(settings: Mapping[str, object], what: str) -> dict[str, str]:
    where = f"Labels in {what}"
    labels = _table(settings.get("Labels") or {}, where)
    return {name: _text(value, where) for name, value in labels.items()}


def _document(data: bytes | object, what: str) -> Mapping[str, object]:
    parsed = _json(data, what) if isinstance(data, bytes) else data
    return _table(parsed, what)


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


def _tables(value: object, what: str) -> list[Mapping[str, object]]:
    return [_table(item, what) for item in _list(value, what)]


def _refuse_many(items: Sequence[object], most: int, what: str) -> None:
    if len(items) > most:
        raise _invalid(f"there are more than {most} {what}")


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{what} is not text")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    return tuple(_text(item, what) for item in _list(value, what))


def _invalid(reason: str) -> InvalidImage:
    return InvalidImage(reason)
