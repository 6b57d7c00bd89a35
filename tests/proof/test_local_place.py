"""Checks of images on this machine: real installations from an index on loopback, real bubblewrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.index import LocalIndex, metadata, wheel

from lockgen.core.index import IndexFile
from lockgen.core.manifest import CheckLimits
from lockgen.core.resolution import Request, Resolved
from lockgen.core.target import MACHINES, Target
from lockgen.io.sandbox import find_sandbox
from lockgen.proof.local_place import AppFile, LocalPlace
from lockgen.proof.model import Bound, Checks, ImageRun, ImportCheck, Line

MACHINE = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
PLATFORM = {machine: name for name, machine in MACHINES.items()}[MACHINE]
TARGET = Target(f"{sys.version_info[0]}.{sys.version_info[1]}", PLATFORM, "2.28")


def need_sandbox() -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is required: .ci/sandbox-up installs it")
    if find_sandbox() is None:
        pytest.skip("user namespaces are not allowed on this machine")


@pytest.fixture
def place(index: LocalIndex, tmp_path: Path) -> LocalPlace:
    folder = tmp_path / "place"
    folder.mkdir()
    return LocalPlace(folder, Request("small", TARGET, (), (), {}, {}, {}, frozenset(), None))


@pytest.fixture
def isolated(place: LocalPlace) -> LocalPlace:
    need_sandbox()
    assert place.is_isolated
    return place


@pytest.fixture(params=["sandbox", "no sandbox"])
def each(request: pytest.FixtureRequest, place: LocalPlace) -> Iterator[LocalPlace]:
    """A place with the sandbox, and one as on a machine without it."""
    if request.param == "sandbox":
        need_sandbox()
        yield place
    else:
        yield replace(place, sandbox=None)


def added(index: LocalIndex, name: str, files: Mapping[str, str], version: str = "1.0") -> Resolved:
    text = metadata(name, version, (), (), None)
    contents = {path: code.encode() for path, code in files.items()}
    filename, data = wheel(name, version, "py3-none-any", text, files=contents)
    index.add_file(name, filename, data, text)
    return Resolved(name, version, None, (IndexFile(filename, "", index.sha256(filename)),))


def imported(place: LocalPlace, *rows: Resolved, limits: CheckLimits | None = None) -> ImageRun:
    names = tuple(ImportCheck(row.name) for row in rows)
    return place.run(rows, Checks(names, limits=limits or CheckLimits()), (), {})


def test_what_is_written_while_importing_has_its_writer(each: LocalPlace, index: LocalIndex) -> None:
    talks = added(
        index,
        "talks",
        {
            "talks/__init__.py": "import os, sys, warnings, logging\n"
            "import helper\n"
            "sys.stderr.write('to ')\nprint('stderr', file=sys.stderr)\n"
            "logging.getLogger('talks').warning('careful')\n"
            "warnings.warn('odd')\n"
            "warnings.warn('old', DeprecationWarning)\n"
            "os.write(2, b'from native code\\n')\n"
        },
    )
    helper = added(index, "helper", {"helper/__init__.py": "import sys\nprint('I help', file=sys.stderr)\n"})
    found = each.run([talks, helper], Checks((ImportCheck("talks"),)), (), {})
    assert found.status == "yes"
    assert set(found.lines) == {
        Line("helper", "stderr", "I help"),
        Line("talks", "stderr", "to stderr"),
        Line("talks", "stderr", "careful"),
        Line("talks", "warning", "UserWarning: odd"),
        Line("talks", "native", "from native code"),
    }
    assert found.deprecations == 1


def test_a_release_that_fails_in_a_submodule_is_found_by_its_name(each: LocalPlace, index: LocalIndex) -> None:
    row = added(index, "deep", {"deep/__init__.py": "", "deep/inner.py": "missing_name\n"})
    assert imported(each, row).status == "yes"
    found = each.run([row], Checks((ImportCheck("deep.inner", ("deep.inner",)),)), (), {})
    (problem,) = found.problems
    assert (problem.kind, problem.by) == ("import", "deep")
    assert problem.text == "deep.inner cannot be imported: NameError: name 'missing_name' is not defined"


def test_a_message_that_something_is_switched_off_is_a_problem(each: LocalPlace, index: LocalIndex) -> None:
    code = "import logging\nlogging.getLogger('x').warning('Disabling PyTorch because PyTorch >= 2.6 is required')\n"
    found = imported(each, added(index, "models", {"models/__init__.py": code}))
    (problem,) = found.problems
    assert problem.bound is not None
    assert (found.status, problem.by, problem.bound.package, problem.bound.specifier) == (
        "no",
        "models",
        "torch",
        ">=2.6",
    )


def test_an_import_that_hangs_is_stopped(each: LocalPlace, index: LocalIndex) -> None:
    row = added(index, "slow", {"slow/__init__.py": "import time\ntime.sleep(600)\n"})
    found = imported(each, row, limits=CheckLimits(seconds=3))
    assert found.status == "no"
    assert [problem.text for problem in found.problems] == ["importing slow: it did not end within 3 s"]


def test_commands_see_the_files_and_the_variables_of_the_image(
    each: LocalPlace, index: LocalIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "smoke"
    folder.mkdir()
    (folder / "check.py").write_text("import os, one\nassert os.environ['MODE'] == 'fast'\nprint('fine')\n")
    row = added(index, "one", {"one/__init__.py": ""})
    checks = Checks((), (("python", "tests/smoke/check.py"), ("python", "-c", "raise SystemExit('broken')")))
    found = each.run([row], checks, [AppFile(folder, "tests/smoke")], {"MODE": "fast", "PYTHONPATH": "."})
    (problem,) = found.problems
    assert (problem.kind, problem.by) == ("test", "python -c raise SystemExit('broken')")
    assert (problem.text, problem.output) == ("it ended with exit code 1", "broken")
    assert [test.name for test in found.tests] == [" ".join(command) for command in checks.tests]


def test_a_command_that_needs_a_gpu_that_is_not_there_is_unknown(each: LocalPlace, index: LocalIndex) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    code = "raise SystemExit('RuntimeError: Found no NVIDIA driver on your system.')"
    row = added(index, "one", {"one/__init__.py": ""})
    found = each.run([row], Checks((), (("python", "-c", code),)), (), {})
    assert (found.status, found.problems) == ("unknown", ())
    assert found.reason.endswith("needs a GPU, which is not there")


def test_the_next_image_has_only_its_own_packages(each: LocalPlace, index: LocalIndex) -> None:
    one = added(index, "one", {"one/__init__.py": ""})
    old, new = (added(index, "two", {"two/__init__.py": f"version = {at}"}, f"{at}.0") for at in (1, 2))
    assert imported(each, one, old).status == "yes"
    code = "import importlib.util as u, two; assert two.version == 2 and u.find_spec('one') is None"
    found = each.run([new], Checks((), (("python", "-c", code),)), (), {})
    assert (found.status, found.problems) == ("yes", ())


def test_a_sandbox_has_no_network_no_other_files_and_cannot_change_the_environment(
    isolated: LocalPlace, index: LocalIndex, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a token")
    port = urlsplit(index.url).port
    code = f"""
import os, socket, pathlib, sys
def fails(act):
    try:
        act()
    except OSError:
        return True
    return False
assert fails(lambda: socket.create_connection(('127.0.0.1', {port}), 2)), 'network'
assert fails(lambda: open({str(secret)!r})), 'secret'
assert fails(lambda: open(os.path.expanduser('~root/.netrc'))), 'home'
assert fails(lambda: pathlib.Path(sys.prefix, 'x').write_text('x')), 'environment'
assert fails(lambda: pathlib.Path('/usr/x').write_text('x')), 'system'
pathlib.Path('x').write_text('x')
pathlib.Path(os.environ['TMPDIR'], 'x').write_text('x')
others = [name for name in os.listdir('/proc') if name.isdigit()]
assert len(others) < 10, others
"""
    row = added(index, "one", {"one/__init__.py": ""})
    found = isolated.run([row], Checks((), (("python", "-c", code),)), (), {})
    assert (found.status, found.problems) == ("yes", ())
    allowed = Checks((), (("python", "-c", code),), CheckLimits(network=True))
    (problem,) = isolated.run([row], allowed, (), {}).problems
    assert "AssertionError: network" in problem.output


def test_a_message_of_numpy_is_about_the_package_that_uses_it(each: LocalPlace, index: LocalIndex) -> None:
    message = "A module that was compiled using NumPy 1.x cannot be run in"
    code = f"import sys\ndef load():\n    sys.stderr.write('{message}\\n')\n"
    numpy = added(index, "numpy", {"numpy/__init__.py": code})
    shapely = added(index, "shapely", {"shapely/__init__.py": "import numpy\nnumpy.load()\n"})
    found = imported(each, numpy, shapely)
    assert [(problem.by, problem.bound) for problem in found.problems] == [("shapely", Bound("shapely", "numpy", "<2"))]
    assert [line.by for line in found.lines] == ["numpy"]


def test_bytecode_of_another_version_is_not_used(each: LocalPlace, index: LocalIndex) -> None:
    """Two versions of a file may have the same size and time: Python would take the bytecode of one for the other."""
    good = added(index, "thing", {"thing/__init__.py": "", "thing/part.py": "x = 1\n"})
    bad = added(index, "thing", {"thing/__init__.py": "", "thing/part.py": "x / 0\n"}, "2.0")
    checks = Checks((ImportCheck("thing.part", ("thing.part",)),))

    def status(row: Resolved) -> str:
        found = each.run([row], checks, (), {})
        (path,) = each.folder.glob("venv/lib/python3.*/site-packages/thing/part.py")
        # The file is a link into uv's cache, so the time stays.
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return found.status

    assert [status(row) for row in (good, bad, good, bad, good)] == ["yes", "no", "yes", "no", "yes"]


def test_the_steps_of_a_run_share_bytecode_and_the_next_run_has_none_of_it(each: LocalPlace, index: LocalIndex) -> None:
    thing = added(index, "thing", {"thing/__init__.py": "x = 1\n"})
    code = (
        "import importlib.util, os, sys\n"
        "found = os.path.exists(importlib.util.find_spec('thing').cached)\n"
        "sys.exit(0 if found else 7)"
    )
    command = ("python", "-c", code)
    imports = (ImportCheck("thing"),)
    assert each.run([thing], Checks(imports, (command,)), (), {}).status == "yes"
    (problem,) = each.run([thing], Checks((), (command,)), (), {}).problems
    assert problem.text == "it ended with exit code 7"
    assert not list((each.folder / "venv").rglob("thing/__pycache__"))
