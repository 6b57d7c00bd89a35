"""Archives and layouts of images that are damaged or made to harm: always BadInput with a reason, never a traceback."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.errors import BadInput, LockgenError
from lockgen.images import layer_source
from lockgen.images.layer_model import LayeredImage
from lockgen.images.layer_reader import FileBudget, read_layer
from lockgen.images.layer_source import read_image
from lockgen.io.http import Http

Files = dict[str, bytes]


def tar_of(files: Files, links: dict[str, str] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            archive.addfile(info)
    return target.getvalue()


LAYER = tar_of({"opt/a-1.0.dist-info/RECORD": b"a.py,,\n", "opt/a-1.0.dist-info/METADATA": b"Name: a\n"})
CONFIG: dict[str, Any] = {
    "config": {"User": "app", "Entrypoint": ["python"], "Labels": {"a": "b"}},
    "history": [{"created_by": "RUN pip install a"}],
}
SAVED: list[Any] = [{"Config": "config.json", "Layers": ["layer.tar"], "RepoTags": ["a:1"]}]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob(data: bytes) -> str:
    return "blobs/" + digest(data).replace(":", "/")


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


def saved(document: object = SAVED, config: object = CONFIG, **more: bytes) -> Files:
    """The files of `docker save`."""
    return {"manifest.json": dumped(document), "config.json": dumped(config), "layer.tar": LAYER, **more}


def layout(config: object = CONFIG, change: Callable[[dict[str, Any]], object] = lambda manifest: None) -> Files:
    """The files of an OCI layout whose manifest is changed by ``change``."""
    packed = gzip.compress(LAYER, mtime=0)
    manifest: dict[str, Any] = {
        "config": {"digest": digest(dumped(config))},
        "layers": [{"digest": digest(packed)}],
    }
    change(manifest)
    index = {"manifests": [{"digest": digest(dumped(manifest))}]}
    return {
        "index.json": dumped(index),
        blob(dumped(manifest)): dumped(manifest),
        blob(dumped(config)): dumped(config),
        blob(packed): packed,
    }


def read_tar(folder: Path, data: bytes) -> LayeredImage:
    (folder / "image.tar").write_bytes(data)
    return read_image(Http(), folder, "image.tar")


def read_folder(folder: Path, files: Files) -> LayeredImage:
    for name, data in files.items():
        path = folder / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return read_image(Http(), folder, "layout")


def test_the_intact_images(tmp_path: Path) -> None:
    images = [
        read_tar(tmp_path, tar_of(saved())),
        read_tar(tmp_path, tar_of(layout())),
        read_folder(tmp_path, layout()),
    ]
    for image in images:
        (layer,) = image.layers
        assert layer.created_by == "RUN pip install a"
        assert layer.records == {"opt/a-1.0.dist-info": frozenset({"opt/a.py"})}
        assert (image.user, image.entrypoint, image.labels) == ("app", ("python",), {"a": "b"})


def without(key: str) -> list[Any]:
    entry = dict(SAVED[0])
    del entry[key]
    return [entry]


def having(key: str, value: object) -> list[Any]:
    return [{**SAVED[0], key: value}]


SAVED_FAULTS: dict[str, Files] = {
    "no config": saved(without("Config")),
    "no layers": saved(without("Layers")),
    "a config of null": saved(having("Config", None)),
    "layers of null": saved(having("Layers", None)),
    "a layer of null": saved(having("Layers", [None])),
    "a tag of null": saved(having("RepoTags", [None])),
    "tags that are text": saved(having("RepoTags", "a:1")),
    "a layer that is missing": saved(having("Layers", ["other.tar"])),
    "a config that is missing": saved(having("Config", "other.json")),
    "a config outside": saved(having("Config", "../../etc/passwd")),
    "an object": saved({}),
    "null": saved(None),
    "a number": saved([1]),
    "a config that is a list": saved(config=[]),
    "a config that is null": saved(config=None),
    "settings that are text": saved(config={"config": "x"}),
    "labels that are a list": saved(config={"config": {"Labels": ["x"]}}),
    "a label that is a number": saved(config={"config": {"Labels": {"x": 1}}}),
    "an entrypoint that is text": saved(config={"config": {"Entrypoint": "x"}}),
    "a history that is an object": saved(config={"history": {"a": 1}}),
    "a history of null": saved(config={"history": [None]}),
    "created by a number": saved(config={"history": [{"created_by": 1}]}),
    "bad JSON": {**saved(), "manifest.json": b"{"},
    "bad JSON in the config": {**saved(), "config.json": b"\xff\xfe"},
    "deep JSON": {**saved(), "manifest.json": b"[" * 100_000},
    "a deep config": {**saved(), "config.json": b'{"a":' * 100_000},
    "nothing": {},
    "other files": {"a": b"b"},
    "a damaged layer": {**saved(), "layer.tar": LAYER[:600]},
    "a layer of noise": {**saved(), "layer.tar": gzip.compress(b"noise" * 1000)},
    "a layer in zstd": {**saved(), "layer.tar": b"\x28\xb5\x2f\xfd" + bytes(1000)},
}


@pytest.mark.parametrize("how", SAVED_FAULTS)
def test_a_malformed_archive_of_docker_save(how: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read_tar(tmp_path, tar_of(SAVED_FAULTS[how]))
    assert caught.value.faults[0].reason or caught.value.faults[0].hint


@pytest.mark.parametrize("how", SAVED_FAULTS)
def test_an_error_names_the_archive(how: str, tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(tar_of(SAVED_FAULTS[how]))
    with pytest.raises(BadInput) as caught:
        read_image(Http(), tmp_path, "broken.tar")
    (fault,) = caught.value.faults
    assert fault.message.startswith("broken.tar ")
    assert fault.hint
    assert "broken.tar" not in (fault.reason or "")


def test_an_archive_that_ends_early(tmp_path: Path) -> None:
    """A download or a full disk may cut it anywhere, in headers and in the content of members."""
    whole = tar_of(saved()).rstrip(b"\0")
    for end in range(0, len(whole), 200):
        with pytest.raises(BadInput):
            read_tar(tmp_path, whole[:end])


def test_links_that_lead_to_themselves(tmp_path: Path) -> None:
    files = saved(having("Layers", ["a/layer.tar"]))
    for links in ({"a/layer.tar": "layer.tar"}, {"a/layer.tar": "../b/layer.tar", "b/layer.tar": "../a/layer.tar"}):
        with pytest.raises(BadInput, match="not an image"):
            read_tar(tmp_path, tar_of(files, links))


def put(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.update({key: value})


LAYOUT_FAULTS: dict[str, Files] = {
    "no config": layout(change=lambda manifest: manifest.pop("config")),
    "no layers": layout(change=lambda manifest: manifest.pop("layers")),
    "a config outside": layout(change=put("config", {"digest": "sha256:../../../../etc/passwd"})),
    "a layer outside": layout(change=put("layers", [{"digest": "../../../../etc/passwd"}])),
    "an absolute layer": layout(change=put("layers", [{"digest": "/etc/passwd"}])),
    "a digest that is a number": layout(change=put("layers", [{"digest": 5}])),
    "a digest that is missing": layout(change=put("layers", [{}])),
    "a layer that is text": layout(change=put("layers", ["x"])),
    "a layer that is not there": layout(change=put("layers", [{"digest": digest(b"x")}])),
    "a config that is not there": layout(change=put("config", {"digest": digest(b"x")})),
    "an empty index": {**layout(), "index.json": dumped({"manifests": []})},
    "an index of null": {**layout(), "index.json": dumped({"manifests": None})},
    "an index of numbers": {**layout(), "index.json": dumped({"manifests": [1]})},
    "only attestations": {
        **layout(),
        "index.json": dumped({"manifests": [{"digest": digest(b""), "platform": {"os": "unknown"}}]}),
    },
    "bad JSON": {**layout(), "index.json": b"{"},
    "null": {**layout(), "index.json": b"null"},
    "deep JSON": {**layout(), "index.json": b"[" * 100_000},
}


@pytest.mark.parametrize("how", LAYOUT_FAULTS)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_a_malformed_layout(how: str, packed: bool, tmp_path: Path) -> None:
    files = LAYOUT_FAULTS[how]
    with pytest.raises(BadInput):
        read_tar(tmp_path, tar_of(files)) if packed else read_folder(tmp_path, files)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_indexes_that_lead_in_a_circle(packed: bool, tmp_path: Path) -> None:
    """The digest of a document is not checked, so two of them may name each other."""
    first, second = digest(b"first"), digest(b"second")
    files = {
        "index.json": dumped({"manifests": [{"digest": first}]}),
        "blobs/" + first.replace(":", "/"): dumped({"manifests": [{"digest": second}, {"digest": first}]}),
        "blobs/" + second.replace(":", "/"): dumped({"manifests": [{"digest": first}]}),
    }
    with pytest.raises(BadInput):
        read_tar(tmp_path, tar_of(files)) if packed else read_folder(tmp_path, files)


def replaced(kind: str, path: Path, outside: Path) -> None:
    """Put something else in the place of the file at ``path``."""
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link outside":
            path.symlink_to(outside)
        case "device":
            path.symlink_to("/dev/zero")
        case "link to itself":
            path.symlink_to(path)
        case "unreadable name":
            path.symlink_to("x" * 300)


@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "link outside", "device", "link to itself", "unreadable name"])
def test_a_file_of_a_layout_that_is_not_one(kind: str, what: str, tmp_path: Path) -> None:
    files = layout()
    number = ["index.json", "manifest", "config", "layer"].index(what)
    for name, data in files.items():
        path = tmp_path / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    name = list(files)[number]
    (tmp_path / "outside").write_bytes(files[name])
    replaced(kind, tmp_path / "layout" / name, tmp_path / "outside")
    with pytest.raises(BadInput) as caught:
        read_image(Http(), tmp_path, "layout")
    assert caught.value.faults[0].reason


def test_a_link_inside_of_a_layout(tmp_path: Path) -> None:
    files = layout()
    read_folder(tmp_path, files)
    path = tmp_path / "layout" / list(files)[3]
    path.rename(tmp_path / "layout" / "layer")
    path.symlink_to("../../layer")
    assert len(read_image(Http(), tmp_path, "layout").layers) == 1


MANY = {
    "layers": saved(having("Layers", ["layer.tar"] * 1001)),
    "tags": saved(having("RepoTags", ["a:1"] * 1001)),
    "images": saved(SAVED * 1001),
    "layers of a layout": layout(change=lambda manifest: manifest.update(layers=manifest["layers"] * 1001)),
    "manifests": {**layout(), "index.json": dumped({"manifests": [{"digest": digest(b"")}] * 1001})},
}


@pytest.mark.parametrize("what", MANY)
def test_more_than_an_engine_can_run(what: str, tmp_path: Path) -> None:
    """A document of a few megabytes would name a layer a million times."""
    with pytest.raises(BadInput) as caught:
        read_tar(tmp_path, tar_of(MANY[what]))
    assert "more than 1000" in (caught.value.faults[0].reason or "")


def test_many_small_files_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_source, "_SMALL_TOTAL", 10_000)
    more = {f"file-{number}": b"x" * 1000 for number in range(20)}
    with pytest.raises(BadInput) as caught:
        read_tar(tmp_path, tar_of({**more, **saved()}))
    assert "small files" in (caught.value.faults[0].reason or "")


def test_the_paths_of_all_layers_are_bounded() -> None:
    """A layer here has two files, and its RECORD lists one."""
    budget = FileBudget(5)
    read_layer(io.BytesIO(LAYER), "sha256:0", budget)
    with pytest.raises(BadInput) as caught:
        read_layer(io.BytesIO(LAYER), "sha256:0", budget)
    assert "more than 3000000 paths" in str(caught.value)


def test_a_document_of_a_layout_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_source, "_SMALL", 100)
    with pytest.raises(BadInput):
        read_folder(tmp_path, {**layout(), "index.json": b" " * 200})


JUNK = st.sampled_from(
    [None, 0, -1, 1e999, "", "x", "../..", "sha256:" + "0" * 64, [], {}, [None], {"digest": None}, True]
)


def paths(document: object) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = [()]
    items: Iterable[tuple[object, object]] = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        found += [(key, *rest) for rest in paths(value)]
    return found


@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    whole = {"saved": copy.deepcopy(SAVED), "config": copy.deepcopy(CONFIG)}
    where = data.draw(st.sampled_from(paths(whole)[1:]))
    holder: Any = whole
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = data.draw(JUNK)
    with tempfile.TemporaryDirectory() as folder:
        try:
            image = read_tar(Path(folder), tar_of(saved(whole["saved"], whole["config"])))
        except LockgenError:
            return
        assert len(image.layers) <= 1
