"""`lockgen.nox` in a noxfile of two lines, run by a real nox.

Only `lockgen compat` itself stands in: a program that says how it was called.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CELLS = [
    "python=3.10 torch=2.5.1 variant=cuda",
    "python=3.11 torch=2.5.1 variant=cuda",
    "numpy=2.0.0 huggingface-hub=0.36.0",
]

FAKE = """\
import sys
if sys.argv[1:] == ["compat", "--list"]:
    print({cells!r})
else:
    print("called with", sys.argv[1:])
    sys.exit({code})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(folder: Path, cells: list[str] = CELLS, code: int = 0) -> None:
    (folder / "fake.py").write_text(FAKE.format(cells="\n".join(cells), code=code))
    (folder / "noxfile.py").write_text(
        "import lockgen.nox\n"
        f"lockgen.nox.compat(command=[{sys.executable!r}, 'fake.py'])\n"
        "import nox\n"
        "@nox.session(venv_backend='none')\n"
        "def other(session): session.log('other ran')\n"
    )


def nox(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nox", "--no-color", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def calls(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"^called with (.*)", done.stdout + done.stderr, re.MULTILINE)


def test_the_list_has_the_matrix_and_every_cell(folder: Path) -> None:
    listed = re.findall(r"^[*-] (.+?)(?: ->.*)?$", nox(folder, "--list").stdout, re.MULTILINE)
    assert listed == [
        "compat",
        "compat(python='3.10', torch='2.5.1', variant='cuda')",
        "compat(python='3.11', torch='2.5.1', variant='cuda')",
        "compat(numpy='2.0.0', huggingface-hub='0.36.0')",
        "other",
    ]


def test_the_whole_matrix_is_one_call(folder: Path) -> None:
    done = nox(folder, "-s", "compat", "--", "--fail-on", "no")
    assert done.returncode == 0
    assert calls(done) == ["['compat', '--fail-on', 'no']"]


@pytest.mark.parametrize(
    "written",
    [
        "compat(python='3.11', torch='2.5.1', variant='cuda')",
        'compat(python="3.11",torch="2.5.1",variant="cuda")',
    ],
)
def test_one_cell_runs_by_its_name_however_it_is_quoted(folder: Path, written: str) -> None:
    done = nox(folder, "-s", written)
    assert done.returncode == 0
    assert calls(done) == ["['compat', 'python=3.11 torch=2.5.1 variant=cuda']"]


def test_a_cell_of_a_pin_that_is_no_identifier_has_a_name_too(folder: Path) -> None:
    done = nox(folder, "-s", "compat(numpy='2.0.0', huggingface-hub='0.36.0')")
    assert calls(done) == ["['compat', 'numpy=2.0.0 huggingface-hub=0.36.0']"]


def test_what_fails_in_it_fails_the_session(folder: Path) -> None:
    write(folder, code=1)
    assert nox(folder, "-s", "compat").returncode == 1


def test_the_matrix_does_not_run_unless_it_is_asked_for(folder: Path) -> None:
    done = nox(folder)
    assert done.returncode == 0
    assert calls(done) == []
    assert "other ran" in done.stderr


def test_a_noxfile_works_where_lockgen_cannot_list_its_cells(folder: Path) -> None:
    (folder / "fake.py").write_text("import sys; sys.exit('error: versions.toml is broken')")
    assert nox(folder, "-s", "other").returncode == 0
    done = nox(folder, "-s", "compat")
    assert done.returncode == 1
    assert "versions.toml is broken" in done.stdout + done.stderr


def test_without_nox_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['nox'] = None; import lockgen.nox; lockgen.nox.compat()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "ImportError: lockgen.nox needs nox, which is not installed: pip install 'lockgen[nox]'" in done.stderr


def test_this_repository_has_the_session() -> None:
    listed = nox(ROOT, "--list").stdout
    assert re.search(r"^- compat -> The compatibility matrix of versions.toml", listed, re.MULTILINE)
