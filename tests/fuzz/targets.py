"""What reads text and archives from outside, as functions of bytes. Each raises only the errors that it documents."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename
from packaging.version import InvalidVersion

from lockgen.audit.osv_reader import packages_of, parse_advisory, parse_batch, read_json
from lockgen.compat.model import Axis, Cell, ImageGroup, Matrix
from lockgen.compat.reader import parse_matrix
from lockgen.compat.render import inputs_of, is_unedited, statuses_of
from lockgen.core.index import IndexFile
from lockgen.core.parsing import parse_requirement, parse_sdist_filename, parse_version, parse_wheel_filename
from lockgen.errors import LockgenError
from lockgen.images.image_documents import parse_config
from lockgen.images.image_documents import parse_manifest as parse_image_manifest
from lockgen.images.layer_reader import read_layer
from lockgen.images.layer_source import read_image
from lockgen.index.core_metadata import all_extras, check_identity, invalid_requirement, is_static, parse_metadata
from lockgen.index.installed_size import measure_local
from lockgen.index.page_reader import parse_page
from lockgen.index.record_reader import parse_record
from lockgen.index.sdist_reader import read_pkg_info
from lockgen.io.http import Http
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.manifest.reader import parse_manifest

CORPUS = Path(__file__).parent / "corpus"
SEPARATOR = b"\n---\n"
"""Between the files of an image, in an input of the target "saved"."""
_BLOCK = 512

Errors = tuple[type[Exception], ...]


@dataclass(frozen=True)
class Target:
    """``read`` raises nothing but ``errors``."""

    read: Callable[[bytes], object]
    errors: Errors = (LockgenError,)

    def run(self, data: bytes) -> None:
        """Read ``data``.

        Raises:
            Exception: another error than a documented one, which is a bug.
        """
        try:
            self.read(data)
        except self.errors:
            return

    @property
    def name(self) -> str:
        return next(name for name, target in TARGETS.items() if target is self)


# -- images ------------------------------------------------------------------------


def _archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "image.tar").write_bytes(with_checksums(data))
        read_image(Http(), Path(folder), "image.tar")


def _saved(data: bytes) -> None:
    """``data`` is manifest.json, config.json and a layer, so that not only the tar headers are fuzzed."""
    manifest, _, rest = data.partition(SEPARATOR)
    config, _, layer = rest.partition(SEPARATOR)
    files = {"manifest.json": manifest, "index.json": manifest, "config.json": config, "layer.tar": layer}
    for document in (config, layer):
        files[f"blobs/sha256/{hashlib.sha256(document).hexdigest()}"] = document
    _archive(tar_of(files))


def _layout(data: bytes) -> None:
    """A folder with an OCI layout, whose index is ``data``."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Path(folder) / "layout"
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        (layout / "index.json").write_bytes(data)
        (blobs / ("0" * 64)).write_bytes(data)
        (blobs / ("1" * 64)).write_bytes(b"{}")
        read_image(Http(), Path(folder), "layout")


def _layer(data: bytes) -> None:
    read_layer(io.BytesIO(with_checksums(data)), "sha256:0")


def _packed_layer(data: bytes) -> None:
    read_layer(io.BytesIO(gzip.compress(with_checksums(data), 1)), "sha256:0")


def _record(data: bytes) -> None:
    files = {"opt/a-1.0.dist-info/RECORD": data, "opt/a-1.0.dist-info/METADATA": data}
    read_layer(io.BytesIO(tar_of(files)), "sha256:0")


def _image_documents(data: bytes) -> None:
    for parse in (parse_config, parse_image_manifest):
        try:
            parse(data, "the document")
        except LockgenError:
            continue


def tar_of(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def with_checksums(data: bytes) -> bytes:
    """``data`` with a valid checksum in every tar header: a fuzzer does not find one."""
    blocks = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)]
    return b"".join(_with_checksum(block) if block[257:262] == b"ustar" else block for block in blocks)


def _with_checksum(block: bytes) -> bytes:
    if len(block) < _BLOCK:
        return block
    empty = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(empty) + block[156:]


# -- indexes, packages, advisories -----------------------------------------------------


def _page(kind: str) -> Callable[[bytes], object]:
    return lambda data: parse_page(data, kind, "https://index.example/simple/a/", "a")


def _metadata(data: bytes) -> None:
    is_static(data)
    metadata = parse_metadata(data, "a-1.0-py3-none-any.whl")
    invalid_requirement(metadata)
    list(all_extras(metadata.extras, metadata.requires))
    check_identity(metadata, "a-1.0-py3-none-any.whl")


def _wheel(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        digest = hashlib.sha256(data).hexdigest()
        measure_local(Path(file.name), IndexFile("a-1.0-py3-none-any.whl", "https://index.example/a", sha256=digest))


def _advisory(data: bytes) -> None:
    document = read_json(data)
    for parse in (packages_of, parse_advisory, lambda parsed: parse_batch(parsed, 1)):
        try:
            parse(document)
        except (LockgenError, ValueError):
            continue


def _names(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    errors = (InvalidRequirement, InvalidVersion, InvalidWheelFilename, InvalidSdistFilename, InvalidSpecifier)
    for parse in (parse_requirement, parse_version, parse_wheel_filename, parse_sdist_filename):
        try:
            parse(text)
        except errors:
            continue


# -- files of a project ------------------------------------------------------------------

MATRIX = Matrix(
    "voices",
    "sha256:0",
    (Axis("python", ("3.11",)), Axis("variant", ("cpu",))),
    (ImageGroup("ml:cpu", "cpu", ("a",)),),
    (Cell({"python": "3.11", "variant": "cpu"}),),
)


def _compat_file(data: bytes) -> None:
    inputs_of(data)
    is_unedited(data)
    statuses_of(data, MATRIX)


def _lock(data: bytes) -> None:
    is_intact(data)
    parse_lock(data, "lock.json")


TARGETS: dict[str, Target] = {
    "archive": Target(_archive),
    "saved": Target(_saved),
    "layout": Target(_layout),
    "layer": Target(_layer),
    "packed-layer": Target(_packed_layer),
    "record": Target(_record),
    "image-documents": Target(_image_documents),
    "page-json": Target(_page("application/vnd.pypi.simple.v1+json")),
    "page-html": Target(_page("text/html")),
    "metadata": Target(_metadata),
    "wheel": Target(_wheel),
    "sdist": Target(lambda data: read_pkg_info(data, "a-1.0.tar.gz")),
    "advisory": Target(_advisory, (LockgenError, ValueError)),
    "names": Target(_names),
    "compat-file": Target(_compat_file),
    "compat-json": Target(lambda data: parse_matrix(data, "matrix.json")),
    "versions": Target(parse_manifest),
    "lock": Target(_lock),
    "index-record": Target(lambda data: parse_record(lambda path: data, "locks/index/a", "a")),
}
