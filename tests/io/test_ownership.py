"""Guarantee 11 for the commands that write something else than the lock's files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from images.test_fetch import FAMILY, filled
from support.faults import snapshot
from support.hand_server import Shelf, hand, simple_wheel
from support.index import LocalIndex
from support.project import Project

MINE = "mine\n"
SPEECH = "speech-1.0-py3-none-any.whl"
TORCH = "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"


def everything(project: Project) -> dict[str, bytes | int]:
    """The project and the folders next to it, without lockgen's and uv's caches."""
    found = snapshot(project.root.parent)
    return {path: data for path, data in found.items() if not path.startswith("cache-")}


def refused(project: Project, *command: str, path: str) -> None:
    before = everything(project)
    ran = project.run(*command)
    assert ran.code == 2, ran.out + ran.err
    assert path in ran.err
    assert "not lockgen's" in ran.err
    assert everything(project) == before


# -- fetch --------------------------------------------------------------------------


def test_fetch_into_a_folder_of_the_users(project: Project, index: LocalIndex) -> None:
    """Its names are common ones: `tools`, and those of images."""
    filled(project, index)
    for path in ("tools/build.py", "tools/sub/x.txt", "asr-cpu/notes.txt", "files/data.csv", "asr-cpu/other-1.whl"):
        project.write(MINE, path)
    (project.root / "tools/link").symlink_to("build.py")
    before = project.tree
    project.ok("fetch", str(project.root))
    assert before.items() <= project.tree.items()
    assert (project.root / "tools/link").is_symlink()
    assert (project.root / "asr-cpu" / SPEECH).is_file()


def test_fetch_takes_out_what_it_put_there(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    index.add("speech", "2.0", ["numpy"])
    project.write(FAMILY.replace('"speech"', '"speech==2.0"'))
    project.ok("resolve")
    (folder / "asr-cpu/mine.txt").write_text(MINE)
    project.ok("fetch", str(folder))
    assert sorted(path.name for path in (folder / "asr-cpu").iterdir()) == ["mine.txt", "speech-2.0-py3-none-any.whl"]


@pytest.mark.parametrize("path", [f"files/{SPEECH}", f"asr-cpu/{SPEECH}", "wheelhouse.json"])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_fetch_replaces_no_file_of_the_users(project: Project, index: LocalIndex, path: str, kind: str) -> None:
    filled(project, index)
    folder = project.root.parent / "other"
    (folder / path).parent.mkdir(parents=True)
    if kind == "file":
        (folder / path).write_text(MINE)
    elif kind == "link":
        (folder / path).symlink_to("nowhere")
    else:
        (folder / path).mkdir()
    refused(project, "fetch", str(folder), path=path)


# -- records ------------------------------------------------------------------------


def recording(project: Project, url: str, where: str = "locks/index/cu121") -> None:
    table = f'[index.cu121]\nurl = "{url}"\npackages = ["torch"]\nrecorded = "{where}"\n'
    project.write('[family]\nname = "f"\npython = "3.11"\n\n' + table + "\n[variants.cuda]\n" + VARIANT)


VARIANT = 'index = "cu121"\nfrom = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"\n\n[bases.base]\npackages = ["torch"]\n'


def test_a_record_replaces_and_removes_nothing_of_the_users(project: Project) -> None:
    shelf = Shelf({TORCH: simple_wheel(TORCH)})
    with hand(shelf.respond) as server:
        recording(project, f"{server.url}/simple", "docs")
        project.write(MINE, "docs/metadata/notes.txt")
        project.write(MINE, "docs/metadata/numpy-1.0.txt")
        for text in ("{}", '{"name": "site"}', "", MINE):
            project.write(text, "docs/index.json")
            server.asked.clear()
            refused(project, "index", "record", "cu121", path="docs/index.json")
            assert server.asked == [], "before anything is asked"
        (project.root / "docs/index.json").unlink()
        project.write(MINE, "docs/metadata/torch-2.5.1+cu121.txt")
        refused(project, "index", "record", "cu121", path="docs/metadata/torch-2.5.1+cu121.txt")
        (project.root / "docs/metadata/torch-2.5.1+cu121.txt").unlink()
        project.ok("index", "record", "cu121")
    assert project.tree["docs/metadata/notes.txt"] == MINE.encode()
    assert project.tree["docs/metadata/numpy-1.0.txt"] == MINE.encode()


@pytest.mark.parametrize("edit", ["formatted", "conflict", "cut off"])
def test_a_record_that_was_edited_is_still_lockgens(project: Project, edit: str) -> None:
    shelf = Shelf({TORCH: simple_wheel(TORCH)})
    with hand(shelf.respond) as server:
        recording(project, f"{server.url}/simple")
        project.ok("index", "record", "cu121")
        good = project.tree
        path = project.root / "locks/index/cu121/index.json"
        text = path.read_text()
        edits = {
            "formatted": json.dumps(json.loads(text), indent=4),
            "conflict": text.replace('"projects"', '<<<<<<< ours\n"projects"'),
            "cut off": text[: len(text) // 3],
        }
        path.write_text(edits[edit])
        project.ok("index", "record", "cu121")
        assert project.tree == good


def test_a_record_drops_only_what_it_named(project: Project) -> None:
    other = TORCH.replace("2.5.1", "2.4.0")
    shelf = Shelf({name: simple_wheel(name) for name in (TORCH, other)})
    with hand(shelf.respond) as server:
        recording(project, f"{server.url}/simple")
        project.ok("index", "record", "cu121")
        project.write(MINE, "locks/index/cu121/metadata/notes.txt")
        del shelf.files[other]
        project.ok("index", "record", "cu121")
    there = sorted(path.name for path in (project.root / "locks/index/cu121/metadata").iterdir())
    assert there == ["notes.txt", "torch-2.5.1+cu121.txt"]


# -- pairs, compat, sbom, the memory of check ---------------------------------------------


@pytest.mark.parametrize("text", [MINE, "", "{}", '{"format": 1}'])
def test_pairs_replaces_no_file_of_the_users(project: Project, index: LocalIndex, text: str) -> None:
    project.write(text, "locks/pairs.json")
    index.asked.clear()
    refused(project, "pairs", "--refresh", path="locks/pairs.json")
    assert index.asked == []


def test_pairs_writes_to_the_path_of_output(project: Project, index: LocalIndex) -> None:
    for name in ("torch", "torchaudio", "torchvision"):
        index.add(name, "2.5.1", ["torch==2.5.1"] if name != "torch" else [], tag="cp311-cp311-manylinux_2_17_x86_64")
    project.ok("pairs", "--refresh")
    project.write(MINE, "data/mine.json")
    project.ok("pairs", "--refresh", "--output", "data/mine.json")
    assert project.tree["data/mine.json"] == project.tree["locks/pairs.json"]
    project.ok("pairs", "--refresh")


COMPAT = '\n[compat]\npython = ["3.11"]\n'


@pytest.mark.parametrize("text", [MINE, ""])
def test_compat_replaces_no_file_of_the_users(project: Project, index: LocalIndex, text: str) -> None:
    filled(project, index)
    project.write(FAMILY + COMPAT)
    project.write(text, "locks/COMPAT.md")
    index.asked.clear()
    refused(project, "compat", path="locks/COMPAT.md")
    assert index.asked == [], "before anything is asked"
    project.ok("compat", "--list")
    ran = project.run("check")
    assert "locks/COMPAT.md: this file is not lockgen's" in ran.out
    assert "move locks/COMPAT.md away, then lockgen compat" in ran.out


def test_sbom_replaces_only_its_own(project: Project, index: LocalIndex) -> None:
    filled(project, index)
    path = "asr-cpu.cdx.json"
    project.write(MINE, path)
    refused(project, "sbom", "--output", str(project.root), path=path)
    (project.root / path).unlink()
    project.ok("sbom", "--output", str(project.root))
    project.ok("sbom", "--output", str(project.root))


def test_the_cache_of_check_removes_only_its_own_files(
    project: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cache folder that a person chose may contain a folder of that name."""
    filled(project, index)
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(tmp_path / "mine"))
    folder = tmp_path / "mine/checked"
    folder.mkdir(parents=True)
    for number in range(250):
        (folder / f"photo-{number}.jpg").write_text(MINE)
        (folder / f"{number:064x}").touch()
        os.utime(folder / f"photo-{number}.jpg", (1, 1))
    project.ok("check")
    names = [path.name for path in folder.iterdir()]
    assert sum(name.startswith("photo") for name in names) == 250
    assert sum(not name.startswith("photo") for name in names) == 200
