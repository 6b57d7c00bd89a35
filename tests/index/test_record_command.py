"""`lockgen index record` and live reads, with real index servers and with faulty ones."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.hand_server import Answer, Asked, Shelf, hand, metadata_of, sha256, simple_wheel, wheel_of
from support.index_servers import pypiserver, simple_repository

from lockgen.app import App
from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.live_index import read_live
from lockgen.index.measure_command import run as measure
from lockgen.index.record_command import record
from lockgen.index.record_reader import parse_record
from lockgen.io.http import Http

TORCH = [f"torch-2.5.1+cu121-{tag}-{tag}-linux_x86_64.whl" for tag in ("cp311", "cp312")]
AUDIO = "torchaudio-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
WINDOWS = "torch-2.5.1+cu121-cp311-cp311-win_amd64.whl"
NUMPY = "numpy-1.26.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
MINE = {*TORCH, AUDIO}


def wheels() -> dict[str, bytes]:
    return {
        **{name: simple_wheel(name, ["sympy==1.13.1", "filelock"], Requires_Python=">=3.8.0") for name in TORCH},
        AUDIO: simple_wheel(AUDIO, ["torch==2.5.1"]),
        WINDOWS: simple_wheel(WINDOWS),
        NUMPY: simple_wheel(NUMPY),
    }


@dataclass
class Heard:
    notes: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        assert text

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Recording:
    """A project with an index, and the output of the last run."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    notes: list[str] = field(default_factory=list)
    out: str = ""

    def write(self, url: str, recorded: str = 'recorded = "locks/index/cu121"') -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "versions.toml").write_text(
            f'[family]\nname = "small"\npython = "3.11"\n[index.cu121]\nurl = "{url}"\n'
            f'packages = ["torch", "torchaudio"]\n{recorded}\n'
            '[variants.cuda]\nindex = "cu121"\nfrom = "ubuntu:22.04"\npins = { torch = "2.5.1+cu121" }\n'
            '[bases.base]\nvariants = ["cuda"]\npackages = ["torch"]\n'
        )

    def run(self, *packages: str) -> int:
        heard = Heard()
        self.capsys.readouterr()
        code = record(App.of(self.root, heard), "cu121", packages)
        self.notes, self.out = heard.notes, self.capsys.readouterr().out
        return code

    @property
    def folder(self) -> Path:
        return self.root / "locks/index/cu121"

    @property
    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }

    @property
    def index(self) -> ExplicitIndex:
        tree = self.tree
        return parse_record(lambda path: tree.get(path.removeprefix("rec/")), "rec", "cu121")

    @property
    def files(self) -> dict[str, IndexFile]:
        return {file.name: file for page in self.index.pages.values() for file in page.files}


@pytest.fixture
def recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Recording:
    return Recording(tmp_path / "project", capsys)


# -- real servers --------------------------------------------------------------------


@contextmanager
def both(folder: Path) -> Iterator[tuple[str, Path]]:
    with pypiserver(folder) as (behind, _):
        log = folder.parent / "simple-repository.log"
        with simple_repository(f"{behind}/", log) as url:
            yield url, log


def shelve(folder: Path) -> dict[str, bytes]:
    known = wheels()
    folder.mkdir()
    for name, data in known.items():
        (folder / name).write_bytes(data)
    return known


@pytest.mark.parametrize("server", [pypiserver, both], ids=["html", "json"])
def test_a_real_server_is_recorded(
    server: Callable[[Path], AbstractContextManager[tuple[str, Path]]], recording: Recording, tmp_path: Path
) -> None:
    known = shelve(tmp_path / "wheels")
    with server(tmp_path / "wheels") as (url, log):
        recording.write(url)
        assert recording.run() == 0, recording.notes
        first = recording.tree
        live = read_live(
            Http(), "cu121", url, ["torch", "torchaudio"], lambda file: "cp311-linux" in file.name, Heard()
        )
        assert recording.run() == 0
        assert recording.out.rstrip().endswith("; 0 paths written")
        requests = log.read_text()
    assert recording.tree == first
    assert {name: file.sha256 for name, file in recording.files.items()} == {name: sha256(known[name]) for name in MINE}
    assert recording.index.metadata[AUDIO].requires == ("torch==2.5.1",)
    assert recording.index.metadata[TORCH[0]].requires_python == ">=3.8.0"
    assert set(live.metadata) == {TORCH[0], AUDIO}
    assert live.metadata == {name: recording.index.metadata[name] for name in live.metadata}
    assert live.withheld == {}
    assert "/torchaudio" in requests
    assert "numpy" not in requests
    assert (".whl.metadata" in requests) is (server is both)


def assert_nothing_hashed(url: str, recording: Recording) -> None:
    heard = Heard()
    recording.write(url)
    assert recording.run() == 4
    assert recording.files == {}
    assert recording.notes == [f"missing: {name}: the index gives no sha256 for it" for name in sorted(MINE)]
    live = read_live(Http(), "cu121", url, ["torch"], lambda file: True, heard)
    assert (dict(live.metadata), live.pages["torch"].files) == ({}, ())
    assert set(live.withheld) == {*TORCH, WINDOWS}
    assert f"index cu121: {TORCH[0]} is left out: the index gives no sha256 for it" in heard.notes


@pytest.mark.parametrize("algorithm", ["md5", "off"])
def test_a_real_server_without_sha256_yields_no_files(algorithm: str, recording: Recording, tmp_path: Path) -> None:
    shelve(tmp_path / "wheels")
    with pypiserver(tmp_path / "wheels", algorithm) as (url, _):
        assert_nothing_hashed(url, recording)


def test_a_real_json_server_without_hashes_yields_no_files(recording: Recording, tmp_path: Path) -> None:
    for project in ("torch", "torchaudio"):
        (tmp_path / "wheels" / project).mkdir(parents=True)
    for name in (*MINE, WINDOWS):
        (tmp_path / "wheels" / name.split("-")[0] / name).write_bytes(wheels()[name])
    with simple_repository(str(tmp_path / "wheels"), tmp_path / "simple-repository.log") as url:
        assert_nothing_hashed(url, recording)


# -- changes and failures of the index -------------------------------------------------


@pytest.fixture(params=["json", "html"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    return Shelf(wheels(), html=request.param == "html")


def test_only_listed_packages_for_linux_are_recorded(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(server.url.replace("http://", "http://user:s3cret@") + "/simple/")
        assert recording.run() == 0
    assert set(recording.files) == MINE
    projects = {path for path in server.paths if path.startswith("/simple/")}
    assert projects == {"/simple/torch/", "/simple/torchaudio/"}
    assert {path for path in server.paths if path.startswith("/files/")} == {
        f"/files/{name.replace('+', '%2B')}" for name in MINE
    }
    assert all(asked.headers["authorization"].startswith("Basic ") for asked in server.asked)
    assert not any(b"s3cret" in data for data in recording.tree.values())
    assert recording.out == (
        "index cu121: 3 files recorded, 3 of them new, 0 missing, "
        "1 left out (not for Linux, or not a wheel); 3 paths written\n"
    )


def test_running_again_reads_only_the_pages_and_writes_nothing(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in recording.folder.rglob("*")}
        server.asked.clear()
        assert recording.run() == 0
        assert sorted(server.paths) == ["/simple/torch/", "/simple/torchaudio/"]
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in recording.folder.rglob("*")} == before
    assert recording.out.startswith("index cu121: 3 files recorded, 0 of them new, 0 missing")
    assert recording.notes == []


def test_one_file_that_fails_is_reported_and_the_others_are_recorded(shelf: Shelf, recording: Recording) -> None:
    shelf.files[TORCH[0]] = shelf.files[TORCH[0]][:-30]
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 4
        assert set(recording.files) == {TORCH[1], AUDIO}
        (note,) = recording.notes
        assert note.startswith(f"missing: {TORCH[0]}: ")
        assert "is not a wheel" in note
        shelf.files = wheels()
        assert recording.run() == 0
    assert set(recording.files) == MINE
    assert recording.out.startswith("index cu121: 3 files recorded, 1 of them new, 0 missing")


def test_a_wheel_with_another_packages_metadata_is_missing(shelf: Shelf, recording: Recording) -> None:
    shelf.files[AUDIO] = simple_wheel("evil-6.6.6-py3-none-any.whl")
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 4
    assert recording.notes == [f"missing: {AUDIO}: the metadata of {AUDIO} is that of evil 6.6.6"]
    assert set(recording.files) == set(TORCH)


def test_another_packages_metadata_is_refused_even_if_the_right_one_is_cached(recording: Recording) -> None:
    shelf = Shelf(wheels())
    good = shelf.files[AUDIO]
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        (recording.folder / "index.json").unlink()
        shelf.files[AUDIO] = simple_wheel("evil-6.6.6-py3-none-any.whl")
        shelf.said[AUDIO] = {"hashes": {"sha256": sha256(good)}}
        assert recording.run() == 4
    assert set(recording.files) == set(TORCH)
    assert b"evil" not in b"".join(recording.tree.values())


def test_a_changed_hash_is_reported(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        old = sha256(shelf.files[AUDIO])
        shelf.files[AUDIO] = simple_wheel(AUDIO, ["torch==2.5.1", "soundfile"])
        new = sha256(shelf.files[AUDIO])
        assert recording.run() == 0
    assert recording.notes == [f"changed: {AUDIO} has a different sha256: {old} -> {new}"]
    assert recording.files[AUDIO].sha256 == new
    assert recording.index.metadata[AUDIO].requires == ("torch==2.5.1", "soundfile")


def test_a_file_that_is_gone_is_removed_with_its_metadata(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        del shelf.files[AUDIO]
        assert recording.run() == 0
    assert recording.notes == [f"removed: {AUDIO} is no longer on the index"]
    assert sorted(recording.tree) == ["index.json", "metadata/torch-2.5.1+cu121.txt"]


def test_yanked_files_are_recorded_and_later_ones_noticed(shelf: Shelf, recording: Recording) -> None:
    shelf.said[AUDIO] = {"yanked": "broken"}
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        assert recording.files[AUDIO].yanked == "broken"
        shelf.said[TORCH[0]] = {"yanked": ""}
        assert recording.run() == 0
    assert {name: file.yanked for name, file in recording.files.items()} == {
        AUDIO: "broken",
        TORCH[0]: "",
        TORCH[1]: None,
    }


def test_a_file_without_a_hash_is_missing_and_not_read(shelf: Shelf, recording: Recording) -> None:
    shelf.said[AUDIO] = {"hashes": {}}
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 4
    assert recording.notes == [f"missing: {AUDIO}: the index gives no sha256 for it"]
    assert not any("torchaudio" in path for path in server.paths if path.startswith("/files/"))


def test_recording_one_package_leaves_the_others_unchanged(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        before = recording.tree
        shelf.files[AUDIO] = simple_wheel(AUDIO, ["changed"])
        del shelf.files[TORCH[1]]
        server.asked.clear()
        assert recording.run("Torch") == 0
        assert server.paths == ["/simple/torch/"]
    assert recording.notes == [f"removed: {TORCH[1]} is no longer on the index"]
    assert set(recording.files) == {TORCH[0], AUDIO}
    kept = "metadata/torchaudio-2.5.1+cu121.txt"
    assert recording.tree[kept] == before[kept]


def test_a_package_that_the_index_does_not_list_is_an_error(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        with pytest.raises(BadInput, match="index cu121 does not list numpy"):
            recording.run("numpy")
    assert server.asked == []


def damage(recording: Recording) -> None:
    (recording.folder / "metadata/torchaudio-2.5.1+cu121.txt").write_text("Name: evil\nVersion: 1\n")


def test_a_damaged_record_is_replaced_and_reported(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        before = recording.tree
        damage(recording)
        assert recording.run() == 0
    assert recording.tree == before
    (note,) = recording.notes
    place = "locks/index/cu121/metadata/torchaudio-2.5.1+cu121.txt"
    assert note == f"replacing the damaged record: {place}: the sha256 differs from the recorded one"


def test_a_damaged_record_is_not_replaced_for_some_packages_only(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        damage(recording)
        before = recording.tree
        with pytest.raises(BadInput, match="the sha256 differs from the recorded one"):
            recording.run("torch")
    assert recording.tree == before


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_index_that_cannot_be_read_changes_nothing(status: int, recording: Recording) -> None:
    shelf = Shelf(wheels())
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        before = recording.tree
        server.respond = lambda asked: Answer(status)
        with pytest.raises(ToolFailed):
            recording.run()
    assert recording.tree == before


def test_a_page_that_is_another_document_changes_nothing(recording: Recording) -> None:
    with hand(lambda asked: Answer(200, b"%PDF", {"Content-Type": "application/pdf"})) as server:
        recording.write(f"{server.url}/simple")
        with pytest.raises(ToolFailed, match="is not an index page: application/pdf"):
            recording.run()
    assert not recording.folder.exists()


def test_an_index_without_a_folder_for_its_record_is_an_error(recording: Recording) -> None:
    recording.write("https://index.example/simple", recorded="")
    with pytest.raises(BadInput, match="has no folder for its record") as caught:
        recording.run()
    assert "recorded =" in str(caught.value.faults[0].hint)


def test_a_hostile_page_writes_only_its_own_files(recording: Recording) -> None:
    evil = f"{TORCH[0]}\nevil"
    names = [
        "../../../escape-1.0-py3-none-any.whl",
        evil,
        "evil-1.0-py3-none-any.whl",
        "torch-1.0/../x-py3-none-any.whl",
    ]
    entries = [{"filename": name, "url": f"/files/{TORCH[0]}", "hashes": {"sha256": "a" * 64}} for name in names]
    shelf = Shelf(wheels())

    def respond(asked: Asked) -> Answer:
        answer = shelf.respond(asked)
        if not asked.path.startswith("/simple/"):
            return answer
        page = json.loads(answer.body)
        page["files"] += entries
        return Answer(200, json.dumps(page).encode(), answer.headers)

    with hand(respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 0
    assert set(recording.files) == MINE
    outside = {path.name for path in recording.root.iterdir()} - {"versions.toml", "locks", ".lockgen"}
    assert outside == set()
    assert b"evil" not in b"".join(recording.tree.values())


# -- sizes -----------------------------------------------------------------------------


def without_sizes(recording: Recording) -> None:
    """The record as an earlier lockgen wrote it."""
    path = recording.folder / "index.json"
    record = json.loads(path.read_text())
    for entries in record["projects"].values():
        for entry in entries:
            del entry["installed"]
            entry.pop("size", None)
    path.write_text(json.dumps(record))


def on_disk(data: bytes) -> int:
    """The size of a wheel's members, and of what an installer adds: INSTALLER, REQUESTED, two lines of RECORD."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = sum(member.file_size for member in archive.infolist())
        info = next(name for name in archive.namelist() if name.endswith("RECORD")).removesuffix("RECORD")
    lines = [f"{info}{name},sha256={'x' * 43},{size}\n" for name, size in (("INSTALLER", 2), ("REQUESTED", 0))]
    return members + 2 + len("".join(lines))


def test_a_record_has_both_sizes_of_each_wheel(shelf: Shelf, recording: Recording) -> None:
    """The size is that of the page or of Content-Range, the installed size comes from the end of the wheel."""
    shelf.files[AUDIO] = wheel_of(AUDIO, metadata_of("torchaudio", "2.5.1+cu121"), before=b"x" * 3_000_000)
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 0
        assert server.sent < 500_000
    for name, file in recording.files.items():
        assert file.size == len(shelf.files[name])
        assert file.installed == on_disk(shelf.files[name])


def test_a_record_without_sizes_is_completed(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        before = recording.tree
        without_sizes(recording)
        assert {file.installed for file in recording.files.values()} == {None}
        assert recording.run() == 0
    assert recording.tree == before
    assert recording.out.startswith("index cu121: 3 files recorded, 0 of them new")


def test_sizes_of_another_sha256_are_not_reused(shelf: Shelf, recording: Recording) -> None:
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
        old = recording.files[AUDIO].installed
        shelf.files[AUDIO] = wheel_of(AUDIO, metadata_of("torchaudio", "2.5.1+cu121"), before=b"x" * 1000)
        assert recording.run() == 0
    assert recording.files[AUDIO].installed == on_disk(shelf.files[AUDIO]) != old


def test_without_ranges_sizes_stay_unknown_and_are_reported(recording: Recording) -> None:
    """The METADATA is next to the wheel (PEP 658); the wheel itself is too large to be downloaded."""
    shelf = Shelf(wheels())
    shelf.files[AUDIO] = wheel_of(AUDIO, metadata_of("torchaudio", "2.5.1+cu121"), before=b"x" * 6_000_000)
    text = metadata_of("torchaudio", "2.5.1+cu121")
    shelf.said[AUDIO] = {"core-metadata": {"sha256": sha256(text)}}

    def respond(asked: Asked) -> Answer:
        if asked.path.endswith(".metadata"):
            return Answer(200, text)
        if "torchaudio" in asked.path and asked.path.startswith("/files/"):
            return Answer(200, shelf.files[AUDIO])
        return shelf.respond(asked)

    with hand(respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 0
    assert recording.files[AUDIO].installed is None
    assert recording.files[TORCH[0]].installed is not None
    (note,) = recording.notes
    assert note.startswith(f"installed size unknown: {AUDIO}: ")
    assert "3 files recorded, 3 of them new, 0 missing" in recording.out
    assert "1 of unknown installed size" in recording.out


def test_a_wrong_size_on_the_page_is_reported(recording: Recording) -> None:
    shelf = Shelf(wheels())
    shelf.said[AUDIO] = {"size": 7}
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        assert recording.run() == 0
    size = len(shelf.files[AUDIO])
    assert recording.notes == [
        f"installed size unknown: {AUDIO}: {AUDIO} has {size} bytes, but the index page lists 7",
    ]
    assert recording.files[AUDIO].installed is None


def test_local_wheels_are_measured(recording: Recording, tmp_path: Path) -> None:
    """For an index that cannot be reached: the network is not used."""
    shelf = Shelf(wheels())
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
    before = recording.tree
    without_sizes(recording)
    for name in MINE:
        (tmp_path / name).write_bytes(shelf.files[name])
    heard = Heard()
    assert measure(App.of(recording.root, heard), "cu121", tuple(tmp_path / name for name in sorted(MINE))) == 0
    assert recording.tree == before
    assert heard.notes == ["run lockgen resolve to copy the sizes into the lock"]


def test_wheels_with_another_sha256_are_not_measured(recording: Recording, tmp_path: Path) -> None:
    shelf = Shelf(wheels())
    with hand(shelf.respond) as server:
        recording.write(f"{server.url}/simple")
        recording.run()
    without_sizes(recording)
    before = recording.tree
    (tmp_path / TORCH[0]).write_bytes(shelf.files[TORCH[0]])
    (tmp_path / AUDIO).write_bytes(simple_wheel(AUDIO, ["another"]))
    wheels_here = (tmp_path / TORCH[0], tmp_path / AUDIO, tmp_path / WINDOWS, tmp_path / TORCH[1])
    with pytest.raises(ToolFailed) as caught:
        measure(App.of(recording.root, Heard()), "cu121", wheels_here)
    other, unlisted, absent = (fault.message for fault in caught.value.faults)
    assert other == f"{tmp_path / AUDIO} is not the recorded file"
    assert f"sha256 {sha256(shelf.files[AUDIO])}" in str(caught.value.faults[0].reason)
    assert unlisted == f"the record of index cu121 has no {WINDOWS}"
    assert absent == f"cannot read {tmp_path / TORCH[1]}: No such file or directory"
    assert recording.tree == before


def test_measuring_without_a_record_is_an_error(recording: Recording, tmp_path: Path) -> None:
    recording.write("https://index.example/simple")
    with pytest.raises(BadInput, match="missing record") as caught:
        measure(App.of(recording.root, Heard()), "cu121", (tmp_path / AUDIO,))
    assert "lockgen index record cu121" in str(caught.value.faults[0].hint)


# -- live ------------------------------------------------------------------------------


def test_a_live_read_withholds_files_that_fail_with_the_reason(shelf: Shelf) -> None:
    shelf.files[TORCH[0]] = b"no wheel"
    shelf.said[AUDIO] = {"hashes": {}}
    shelf.said[TORCH[1]] = {"yanked": "old"}
    heard = Heard()
    with hand(shelf.respond) as server:
        base = server.url.replace("http://", "http://user:s3cret@") + "/simple/"
        live = read_live(Http(), "cu121", base, ["torch", "torchaudio", "nothing"], lambda f: "linux" in f.name, heard)
    assert live.url == f"{server.url}/simple/"
    assert {project: [file.name for file in page.files] for project, page in live.pages.items()} == {
        "torch": [TORCH[1]],
        "torchaudio": [],
        "nothing": [],
    }
    assert live.pages["torch"].files[0].yanked == "old"
    assert set(live.withheld) == {TORCH[0], AUDIO}
    assert live.withheld[AUDIO] == "the index gives no sha256 for it"
    assert "is not a wheel" in live.withheld[TORCH[0]]
    assert len(heard.notes) == 2
    assert not any("s3cret" in text for text in [*heard.notes, *live.withheld.values()])


def test_a_live_read_fails_if_every_file_fails(shelf: Shelf) -> None:
    shelf.files = dict.fromkeys(TORCH, b"no wheel")
    with hand(shelf.respond) as server, pytest.raises(ToolFailed) as caught:
        read_live(Http(), "cu121", f"{server.url}/simple", ["torch"], lambda file: True, Heard())
    assert len(caught.value.faults) == 2
