"""Read images from an engine, a tar file of `docker save`, a folder with an OCI layout, or a registry."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from lockgen.errors import BadInput
from lockgen.images.layer_model import Layer, LayeredImage
from lockgen.images.layer_reader import read_layer
from lockgen.io.http import Http
from lockgen.io.process import reading, run
from lockgen.registry.client import Registry

_SMALL = 8 * 1024 * 1024
"""The most bytes of a file in an image that is read as JSON."""
_BLOCK = 512
"""The size of a tar header."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SOURCES_HINT = "expected a tar file of `docker save`, or a folder with an OCI layout"

Document = dict[str, Any]


def read_images(root: Path, references: list[str]) -> dict[str, LayeredImage]:
    """Read images of the engine, by reference; layers that they share are read once.

    Raises:
        ToolFailed: the engine has no such image, or failed.
    """
    with reading(["docker", "save", *references], cwd=root) as stream:
        return {image.name: image for image in _read_archive(stream)}


def read_image(root: Path, name: str) -> LayeredImage:
    """Read one image: a folder with an OCI layout, a tar file, an image of the engine, or one of a registry.

    Raises:
        BadInput: it is none of these.
        ToolFailed: engine or registry failed.
    """
    path = root / name
    if (path / "index.json").is_file():
        return _read_layout(path, name)
    if path.is_file():
        return _read_file(path, name)
    found = run(["docker", "image", "inspect", "--format", "{{.Id}}", name], cwd=root, timeout=60)
    if not found.code:
        with reading(["docker", "save", name], cwd=root) as stream:
            return replace(_read_archive(stream)[0], name=name)
    # An image's name never begins like this: do not look up a mistyped path in a registry.
    if name.startswith((".", "/")):
        raise BadInput(f"no such file or folder: {name}", hint=_SOURCES_HINT)
    return _read_remote(name)


def _read_file(path: Path, name: str) -> LayeredImage:
    with path.open("rb") as stream:
        images = _read_archive(stream)
    if not images:
        raise BadInput(f"{name} contains no image", hint=_SOURCES_HINT)
    return replace(images[0], name=images[0].name or name)


# -- tar files -------------------------------------------------------------------


@dataclass
class _Archive:
    """The files of a tar file of images. An image's config may come after its layers, so all are kept until the end."""

    layers: dict[str, Layer] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name.removeprefix("./")
        if member.issym():
            # Older engines store a layer once, and links to it for other images.
            self.links[name] = str(Path(name).parent / member.linkname)
            return
        opened = archive.extractfile(member) if member.isreg() else None
        if opened is None:
            return
        head = opened.read(_BLOCK)
        if _is_layer(head):
            self.layers[name] = read_layer(_Joined(head, opened), name)  # type: ignore[arg-type]
        elif member.size <= _SMALL:
            self.small[name] = head + opened.read()

    def json(self, name: str) -> Any:
        return json.loads(self.small[name])

    def layer(self, name: str) -> Layer:
        return self.layers[self.links.get(name, name)]


def _read_archive(stream: IO[bytes]) -> list[LayeredImage]:
    """Read a tar file of `docker save` or of an OCI layout, from start to end."""
    contents = _Archive()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                contents.add(archive, member)
    except tarfile.TarError as error:
        raise BadInput("this is not an image", reason=str(error)) from error
    # `docker save` writes both files; only manifest.json has the tags.
    if "manifest.json" in contents.small:
        return _images_of_docker(contents)
    if "index.json" in contents.small:
        return _images_of_layout(contents)
    raise BadInput("this is not an image: it has neither manifest.json nor index.json", hint=_SOURCES_HINT)


def _is_layer(head: bytes) -> bool:
    """Whether a file begins like a tar file, compressed or not. An empty tar file consists of zeros."""
    if head.startswith((_GZIP, _ZSTD)):
        return True
    is_tar = head[257:262] == b"ustar"
    is_empty_tar = len(head) == _BLOCK and not head.strip(b"\0")
    return is_tar or is_empty_tar


class _Joined:
    """A stream whose first bytes, ``head``, were read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, all by default. Never fewer before the end: tarfile takes that for the end."""
        if size < 0:
            data = self._head + self._rest.read()
            self._head = b""
            return data
        data = self._head[:size]
        self._head = self._head[size:]
        if len(data) < size:
            data += self._rest.read(size - len(data))
        return data


def _images_of_docker(contents: _Archive) -> list[LayeredImage]:
    images = []
    for entry in contents.json("manifest.json"):
        config = contents.json(entry["Config"])
        layers = [contents.layer(name) for name in entry["Layers"]]
        tags = entry.get("RepoTags") or [""]
        images += [_image(tag, layers, config) for tag in tags]
    return images


def _images_of_layout(contents: _Archive) -> list[LayeredImage]:
    images = []
    pending = [entry["digest"] for entry in contents.json("index.json")["manifests"]]
    while pending:
        document = contents.json(_blob(pending.pop(0)))
        if "manifests" in document:
            # An index: an image for several platforms.
            pending += [entry["digest"] for entry in document["manifests"] if _is_image(entry)]
            continue
        config = contents.json(_blob(document["config"]["digest"]))
        layers = [contents.layers[_blob(entry["digest"])] for entry in document["layers"]]
        images.append(_image("", layers, config))
    return images


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _is_image(entry: Document) -> bool:
    """False for an attestation, which BuildKit stores as an image of platform "unknown"."""
    platform = entry.get("platform") or {}
    return platform.get("os") != "unknown"


# -- folders and registries --------------------------------------------------------


def _read_layout(folder: Path, name: str) -> LayeredImage:
    def read(digest: str) -> Document:
        return dict(json.loads((folder / _blob(digest)).read_bytes()))

    document = json.loads((folder / "index.json").read_bytes())
    # An index may name further indexes, with one manifest for each platform.
    while "manifests" in document:
        images = [entry for entry in document["manifests"] if _is_image(entry)]
        document = read(images[0]["digest"])
    layers = []
    for entry in document["layers"]:
        digest = entry["digest"]
        with (folder / _blob(digest)).open("rb") as stream:
            layers.append(read_layer(stream, digest))
    config = read(document["config"]["digest"])
    return _image(name, layers, config)


def _read_remote(name: str) -> LayeredImage:
    registry = Registry(Http(), name)
    manifest = registry.manifest()
    layers = []
    for entry in manifest["layers"]:
        with registry.blob(entry["digest"]) as stream:
            layers.append(read_layer(stream, entry["digest"]))
    return _image(name, layers, registry.config(manifest))


def _image(name: str, layers: Sequence[Layer], config: Document) -> LayeredImage:
    settings = config.get("config") or {}
    return LayeredImage(
        name=name,
        layers=tuple(_with_history(layers, config)),
        user=settings.get("User") or "",
        entrypoint=tuple(settings.get("Entrypoint") or ()),
        labels=settings.get("Labels") or {},
    )


def _with_history(layers: Sequence[Layer], config: Document) -> Sequence[Layer]:
    """The layers with the instruction that created each, where the config records one for every layer."""
    history = [entry for entry in config.get("history") or [] if not entry.get("empty_layer")]
    if len(history) != len(layers):
        return layers
    return [
        replace(layer, created_by=str(entry.get("created_by") or ""))
        for layer, entry in zip(layers, history, strict=True)
    ]
