"""Read images from an engine, a tar file of `docker save`, a folder with an OCI layout, or a registry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from lockgen.core.archives import BadArchive, JoinedStream, Readable, TarMember, tar_members
from lockgen.errors import BadInput
from lockgen.images.image_documents import (
    ImageConfig,
    ImageIndex,
    ImageManifest,
    parse_config,
    parse_manifest,
    parse_saved_images,
)
from lockgen.images.layer_model import InvalidImage, Layer, LayeredImage
from lockgen.images.layer_reader import FileBudget, read_layer
from lockgen.io.http import Http
from lockgen.io.process import reading, run
from lockgen.registry.client import Registry

_SMALL = 8 * 1024 * 1024
"""The most bytes of a file in an image that is read as JSON."""
_SMALL_TOTAL = 64 * 1024 * 1024
"""The most bytes of all of them."""
_LARGEST = 1 << 42
"""The most bytes of an archive of images: 4 TB."""
_MOST_DOCUMENTS = 1000
"""The most documents that indexes lead to."""
_BLOCK = 512
"""The size of a tar header."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SOURCES_HINT = "name a `docker save` archive, or a folder with an OCI layout"


def read_images(root: Path, references: list[str]) -> dict[str, LayeredImage]:
    """Read images of the engine, by reference; layers that they share are read once.

    Raises:
        ToolFailed: the engine has no such image, or failed.
    """
    with _naming("the output of docker save"), reading(["docker", "save", *references], cwd=root) as stream:
        return {image.name: image for image in _read_archive(stream)}


def read_image(http: Http, root: Path, name: str) -> LayeredImage:
    """Read one image: a folder with an OCI layout, a tar file, an image of the engine, or one of a registry.

    Raises:
        BadInput: it is none of these.
        ToolFailed: engine or registry failed.
    """
    # Relative to the current folder, as the user sees it; else to the project.
    path = Path(name) if Path(name).exists() else root / name
    with _naming(name):
        return _read_image(http, root, name, path)


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Raise errors of `InvalidImage` with the name of the image."""
    try:
        yield
    except InvalidImage as error:
        raise BadInput(f"{name} is not an image", reason=str(error), hint=_SOURCES_HINT) from error


def _read_image(http: Http, root: Path, name: str, path: Path) -> LayeredImage:
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
    return _read_remote(http, name)


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
    budget: FileBudget = field(default_factory=FileBudget)
    kept: int = 0

    def add(self, member: TarMember) -> None:
        name = member.info.name.removeprefix("./")
        if member.info.issym():
            # Older engines store a layer once, and links to it for other images.
            self.links[name] = str(Path(name).parent / member.info.linkname)
            return
        if not member.info.isreg():
            return
        stream = member.open()
        head = stream.read(_BLOCK)
        if _is_layer(head):
            self.layers[name] = read_layer(JoinedStream(head, stream), name, self.budget)
        elif member.info.size <= _SMALL:
            self.kept += member.info.size
            if self.kept > _SMALL_TOTAL:
                raise BadArchive(f"it has more than {_SMALL_TOTAL} bytes of small files")
            self.small[name] = head + stream.read()

    def document(self, name: str) -> bytes:
        if name not in self.small:
            raise InvalidImage(f"the archive has no {name[:100]}")
        return self.small[name]

    def layer(self, name: str) -> Layer:
        layer = self.layers.get(self.links.get(name, name))
        if layer is None:
            raise InvalidImage(f"the archive has no layer {name[:100]}")
        return layer


def _read_archive(stream: Readable) -> list[LayeredImage]:
    """Read a tar file of `docker save` or of an OCI layout, from start to end."""
    contents = _Archive()
    try:
        for member in tar_members(stream, _LARGEST):
            contents.add(member)
    except BadArchive as error:
        raise InvalidImage(str(error)) from error
    # `docker save` writes both files; only manifest.json has the tags.
    if "manifest.json" in contents.small:
        return _images_of_docker(contents)
    if "index.json" in contents.small:
        return _images_of_layout(contents)
    raise InvalidImage("it has neither manifest.json nor index.json")


def _is_layer(head: bytes) -> bool:
    """Whether a file begins like a tar file, compressed or not. An empty tar file consists of zeros."""
    if head.startswith((_GZIP, _ZSTD)):
        return True
    is_tar = head[257:262] == b"ustar"
    is_empty_tar = len(head) == _BLOCK and not head.strip(b"\0")
    return is_tar or is_empty_tar


def _images_of_docker(contents: _Archive) -> list[LayeredImage]:
    images = []
    for saved in parse_saved_images(contents.document("manifest.json")):
        config = parse_config(contents.document(saved.config), "the config")
        layers = [contents.layer(name) for name in saved.layers]
        image = _image("", layers, config)
        images += [replace(image, name=tag) for tag in saved.tags or ("",)]
    return images


def _images_of_layout(contents: _Archive) -> list[LayeredImage]:
    images = []
    for manifest in _manifests(contents.document("index.json"), lambda digest: contents.document(_blob(digest))):
        config = parse_config(contents.document(_blob(manifest.config)), "the config")
        layers = [contents.layer(_blob(digest)) for digest in manifest.layers]
        images.append(_image("", layers, config))
    return images


def _manifests(data: bytes, read: Callable[[str], bytes]) -> list[ImageManifest]:
    """The manifests that the index in ``data`` leads to; ``read`` returns the document with a digest."""
    found: list[ImageManifest] = []
    first = parse_manifest(data, "index.json")
    if isinstance(first, ImageManifest):
        return [first]
    pending = list(first.manifests)
    seen: set[str] = set()
    while pending:
        digest = pending.pop(0)
        # An index for several platforms may be in an index. One that leads back to itself would never end.
        if digest in seen:
            continue
        seen.add(digest)
        if len(seen) > _MOST_DOCUMENTS:
            raise InvalidImage(f"its index leads to more than {_MOST_DOCUMENTS} documents")
        document = parse_manifest(read(digest), digest[:19])
        if isinstance(document, ImageIndex):
            pending += document.manifests
        else:
            found.append(document)
    return found


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


# -- folders and registries --------------------------------------------------------


def _read_layout(folder: Path, name: str) -> LayeredImage:
    def read(digest: str) -> bytes:
        return _read_small(folder, _blob(digest), name)

    manifests = _manifests(_read_small(folder, "index.json", name), read)
    if not manifests:
        raise BadInput(f"{name} contains no image", hint=_SOURCES_HINT)
    manifest = manifests[0]
    budget = FileBudget()
    layers = []
    for digest in manifest.layers:
        with _opened(folder, _blob(digest), name) as stream:
            layers.append(read_layer(stream, digest, budget))
    return _image(name, layers, parse_config(read(manifest.config), "the config"))


def _opened(folder: Path, inner: str, name: str) -> IO[bytes]:
    """The file ``inner`` of the layout in ``folder``, which may not lead to a file outside of it."""
    path = folder / inner
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"cannot read {name}", reason=f"{path.name} is a link to a file outside of the layout")
        # A device or a FIFO may have no end. Opening a FIFO would even wait for a writer.
        if not path.is_file():
            raise BadInput(f"cannot read {name}", reason=f"{path.name} is missing, or not a regular file")
        return path.open("rb")
    except (OSError, RuntimeError) as error:
        # RuntimeError: links that lead to each other.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(f"cannot read {name}", reason=f"{path.name}: {reason}") from error


def _read_small(folder: Path, inner: str, name: str) -> bytes:
    with _opened(folder, inner, name) as stream:
        data = stream.read(_SMALL + 1)
    if len(data) > _SMALL:
        raise InvalidImage(f"{inner} has more than {_SMALL} bytes")
    return data


def _read_remote(http: Http, name: str) -> LayeredImage:
    registry = Registry(http, name)
    manifest = parse_manifest(registry.manifest(), "the manifest")
    if isinstance(manifest, ImageIndex):
        raise InvalidImage("its index leads to another index")
    budget = FileBudget()
    layers = []
    for digest in manifest.layers:
        with registry.blob(digest) as stream:
            layers.append(read_layer(stream, digest, budget))
    return _image(name, layers, parse_config(registry.config(manifest.config), "the config"))


def _image(name: str, layers: Sequence[Layer], config: ImageConfig) -> LayeredImage:
    return LayeredImage(
        name=name,
        layers=tuple(_with_history(layers, config)),
        user=config.user,
        entrypoint=config.entrypoint,
        labels=dict(config.labels),
    )


def _with_history(layers: Sequence[Layer], config: ImageConfig) -> Sequence[Layer]:
    """The layers with the instruction that created each, where the config records one for every layer."""
    if len(config.history) != len(layers):
        return layers
    return [replace(layer, created_by=created_by) for layer, created_by in zip(layers, config.history, strict=True)]
