"""Text from outside that would steer a terminal: no command prints it as it is, on stdout or on stderr."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import ARGUMENTS
from support.osv import CRITICAL, before, record, write_dump
from support.project import Project, Ran

from lockgen.compat import render as compat_rendering
from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, Matrix
from lockgen.core.markdown import explanation, plain
from lockgen.core.printable import one_line, printable
from lockgen.io.console import Console, StandardError
from lockgen.io.output import print_json, print_text

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\x08\x7f\u202e\u2066\u200b\u2028\ufeff\x00"
"""A terminal's title, a cleared screen, colours, and characters that turn text around or are invisible."""


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine answers, so that no test waits for one."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


def assert_printable(text: str) -> None:
    wrong = {char for char in text if not char.isprintable() and char not in "\n\t"}
    assert not wrong, f"{wrong} in {text!r}"


@given(st.text(st.characters(exclude_categories=[]), max_size=80))
def test_the_door(text: str) -> None:
    assert_printable(printable(text))
    assert len(printable(text)) == len(text)
    assert one_line(text).isprintable()
    assert_printable(plain(text))
    assert "\n" not in plain(text)


def test_printable_text_stays() -> None:
    text = "numpy 1.0 → 2.0\n\tgroße Änderung, 日本語, 😀"
    assert printable(text) == text


def test_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"a{HOSTILE}b")
    print_text(HOSTILE, end="")
    StandardError().note(HOSTILE)
    with Console() as console:
        console.note(HOSTILE)
    out, err = capsys.readouterr()
    assert out.startswith("a�")
    assert_printable(out)
    assert_printable(err)


def test_json_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: [HOSTILE]})
    out = capsys.readouterr().out
    assert_printable(out)
    assert json.loads(out) == {HOSTILE: [HOSTILE]}


def hostile_image(path: Path) -> None:
    config = {"history": [{"created_by": f"RUN {HOSTILE}"}]}
    documents = {
        "manifest.json": [{"Config": "config.json", "Layers": ["layer.tar"], "RepoTags": [HOSTILE]}],
        "config.json": config,
    }
    files = {name: json.dumps(document).encode() for name, document in documents.items()}
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w"):
        pass
    files["layer.tar"] = layer.getvalue()
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def make_hostile(project: Project) -> None:
    """Hostile text wherever a person or an index may have put it, after lockgen wrote its files."""
    for path in ("docker/bake.hcl", "docker/base/Dockerfile", "docker/requirements-build.txt"):
        file = project.root / path
        if file.exists():
            file.write_text(file.read_text() + f"# {HOSTILE}\n".replace("\0", ""))
    for folder in ("docker", "docker/base", "locks"):
        (project.root / folder / f"stray{HOSTILE}.txt".replace("\0", "")).write_text("stray")
    (project.root / "locks/COMPAT.md").write_text(HOSTILE)


# Where a command reads text from outside in this test; the others print what lockgen itself wrote.
READS_HOSTILE = {("check",), ("inspect",)}


def test_every_command(small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # `fetch` writes into the current folder
    small.ok("resolve")
    write_dump(
        small.root / "osv",
        [record("GHSA-aaaa-bbbb-cccc", "numpy", *before("99"), vector=CRITICAL, summary=f"it {HOSTILE} runs code")],
    )
    hostile_image(small.root / "image.tar")
    make_hostile(small)
    for path, arguments in ARGUMENTS.items():
        used = ["image.tar"] if path == ("inspect",) else arguments
        used = ["--database", str(small.root / "osv"), "--offline"] if path == ("audit",) else used
        ran = small.run(*path, *used)
        assert_printable(ran.out)
        assert_printable(ran.err)
        if path in READS_HOSTILE:
            assert "�" in ran.out + ran.err, (path, ran)


def test_a_drifted_file_and_a_stray_one(small: Project) -> None:
    small.ok("resolve")
    make_hostile(small)
    ran: Ran = small.run("check")
    assert ran.code == 1
    assert "�]0;title�" in ran.out
    assert_printable(ran.out + ran.err)
    found = json.loads(small.run("check", "--json").out)
    assert any("\x1b]0;title" in row["diff"] for row in found["findings"])


MATRIX = Matrix(
    "voices",
    "sha256:0",
    (Axis("python", ("3.11",)), Axis("variant", ("cpu",))),
    (ImageGroup("ml:cpu", "cpu", ("a",)),),
    (),
)


@pytest.mark.parametrize("status", [CellStatus.NO, CellStatus.UNKNOWN])
def test_the_matrix_as_markdown(status: CellStatus) -> None:
    group = MATRIX.groups[0]
    reason = f"{HOSTILE} | `a` <script> [x](http://y) @everyone #1 ![](//z)\n# heading"
    result = CellResult(group, status, {}, reason, "", {})
    cell = Cell({"python": "3.11", "variant": "cpu"}, results=(result,))
    text = compat_rendering.markdown(Matrix(MATRIX.family, MATRIX.inputs, MATRIX.axes, MATRIX.groups, (cell,)))
    assert_printable(text)
    assert "\n# heading" not in text
    body = text.partition("# Compatibility")[2]
    for markup in ("@everyone", "#1", " | `", "<script>", "[x](", "http://y"):
        assert markup not in body


def test_a_code_block_has_no_control_characters() -> None:
    assert_printable("\n".join(explanation(HOSTILE)))
