"""Images from where they lie: an engine, a tar file of `docker save`, an OCI layout, a registry."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from lockgen.errors import BadInput
from lockgen.images.layer_model import Layer, LayeredImage
from lockgen.images.layer_reader import read_layer
from lockgen.io.http import Http
from lockgen.io.process import reading, run
from lockgen.registry.client import Registry

_SMALL = 8 * 1024 * 1024


def read_images(root: Path, references: list[str]) -> dict[str, LayeredImage]:
    """Images of the engine, by reference; layers that they share are read once.

    Raises:
        ToolFailed: the engine has no such image, or failed.
    """
    with reading(["docker", "save", *references], cwd=root) as stream:
        return {image.name: image for image in _read_archive(stream)}


def read_image(root: Path, name: str) -> LayeredImage:
    """One image: a tar file, a folder with an OCI layout, an image of the engine, else one of a registry.

    Raises:
        BadInput: it is none of these.
        ToolFailed: engine or registry failed.
    """
    path = root / name
    if (path / "index.json").is_file():
        return _layout(path, name)
    if path.is_file():
        with path.open("rb") as stream:
            images = _read_archive(stream)
        if not images:
            raise BadInput(f"{name} holds no image", hint="a file of `docker save`, or an OCI layout")
        return replace(images[0], name=images[0].name or name)
    found = run(["docker", "image", "inspect", "--format", "{{.Id}}", name], cwd=root, timeout=60)
    if not found.code:
        with reading(["docker", "save", name], cwd=root) as stream:
            return replace(_read_archive(stream)[0], name=name)
    if name.startswith((".", "/")):  # a path, and never the name of an image
        raise BadInput(f"there is no file or folder {name}", hint="a file of `docker save`, or an OCI layout")
    return _remote(name)


def _read_archive(stream: IO[bytes]) -> list[LayeredImage]:
    """A tar file of `docker save` or of an OCI layout, read from the front to the end."""
    layers: dict[str, Layer] = {}
    small: dict[str, bytes] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                opened = archive.extractfile(member) if member.isreg() else None
                if opened is None:
                    if member.issym():
                        links[name] = str(Path(name).parent / member.linkname)
                    continue
                head = opened.read(512)
                if _is_layer(head):
                    layers[name] = read_layer(_Joined(head, opened), name)  # type: ignore[arg-type]
                elif member.size <= _SMALL:
                    small[name] = head + opened.read()
    except tarfile.TarError as error:
        raise BadInput("this is no image", reason=str(error)) from error
    if "manifest.json" in small:
        return _of_docker(json.loads(small["manifest.json"]), small, layers, links)
    if "index.json" in small:
        return _of_layout(small, layers)
    raise BadInput("this is no image: it has neither manifest.json nor index.json", hint="a file of `docker save`?")


def _is_layer(head: bytes) -> bool:
    packed = head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd"
    return packed or head[257:262] == b"ustar" or (len(head) == 512 and not head.strip(b"\0"))


class _Joined:
    """What was read already, and the rest."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
        return taken + (self._rest.read(size - len(taken) if size >= 0 else -1) if size != len(taken) else b"")


def _of_docker(
    manifest: list[dict[str, Any]], small: dict[str, bytes], layers: dict[str, Layer], links: dict[str, str]
) -> list[LayeredImage]:
    images = []
    for entry in manifest:
        config = json.loads(small[entry["Config"]])
        found = [layers[links.get(name, name)] for name in entry["Layers"]]
        images += [_image(tag, found, config) for tag in entry.get("RepoTags") or [""]]
    return images


def _of_layout(small: dict[str, bytes], layers: dict[str, Layer]) -> list[LayeredImage]:
    images = []
    pending = [entry["digest"] for entry in json.loads(small["index.json"])["manifests"]]
    while pending:
        document = json.loads(small[_blob(pending.pop(0))])
        if "manifests" in document:
            pending += [entry["digest"] for entry in document["manifests"] if _runs(entry)]
        else:
            config = json.loads(small[_blob(document["config"]["digest"])])
            images.append(_image("", [layers[_blob(layer["digest"])] for layer in document["layers"]], config))
    return images


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _runs(entry: dict[str, Any]) -> bool:
    """Not an attestation."""
    return (entry.get("platform") or {}).get("os") != "unknown"


def _layout(folder: Path, name: str) -> LayeredImage:
    def read(digest: str) -> dict[str, Any]:
        return dict(json.loads((folder / _blob(digest)).read_bytes()))

    document = json.loads((folder / "index.json").read_bytes())
    while "manifests" in document:
        document = read(next(entry["digest"] for entry in document["manifests"] if _runs(entry)))
    layers = []
    for entry in document["layers"]:
        with (folder / _blob(entry["digest"])).open("rb") as stream:
            layers.append(read_layer(stream, entry["digest"]))
    return _image(name, layers, read(document["config"]["digest"]))


def _remote(name: str) -> LayeredImage:
    registry = Registry(Http(), name)
    manifest = registry.manifest()
    layers = []
    for entry in manifest["layers"]:
        with registry.blob(entry["digest"]) as stream:
            layers.append(read_layer(stream, entry["digest"]))
    return _image(name, layers, registry.config(manifest))


def _image(name: str, layers: list[Layer], config: dict[str, Any]) -> LayeredImage:
    own = config.get("config") or {}
    history = [entry for entry in config.get("history") or [] if not entry.get("empty_layer")]
    if len(history) == len(layers):
        pairs = zip(layers, history, strict=True)
        layers = [replace(layer, created_by=str(entry.get("created_by") or "")) for layer, entry in pairs]
    return LayeredImage(
        name, tuple(layers), own.get("User") or "", tuple(own.get("Entrypoint") or ()), own.get("Labels") or {}
    )
