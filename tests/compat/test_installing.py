"""Solutions installed by the real uv from an index on loopback, their imports, and their shared libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.index import LocalIndex, metadata, wheel

from lockgen.compat.install_check import install as install_for
from lockgen.compat.install_model import Installed
from lockgen.core.index import IndexFile
from lockgen.core.manifest import CheckLimits
from lockgen.core.resolution import Request, Resolved
from lockgen.core.target import MACHINES, Target

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
MACHINE = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
HERE = Target(PYTHON, {machine: name for name, machine in MACHINES.items()}[MACHINE], "2.28")

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is required to link a library")


def added(index: LocalIndex, name: str, version: str = "1.0", more: Mapping[str, bytes] | None = None) -> Resolved:
    """Add a wheel with the files ``more`` to ``index``; returns it as a package of a solution."""
    text = metadata(name, version, (), (), None)
    filename, data = wheel(name, version, "py3-none-any", text, files=more)
    index.add_file(name, filename, data, text)
    return row(index, name, version, filename)


def row(index: LocalIndex, name: str, version: str, filename: str, *, source: str | None = None) -> Resolved:
    url = index.url.removesuffix("simple") + f"files/{filename.replace('+', '%2B')}"
    return Resolved(name, version, source, (IndexFile(filename, url, index.sha256(filename)),))


def install(
    rows: Sequence[Resolved], target: Target, imports: Sequence[str], *, offline: bool = False, **more: Any
) -> Installed:
    request = Request("small", target, (), (), {}, {}, {}, frozenset(), None, offline=offline)
    return install_for(rows, request, imports, **more)


def test_packages_that_install_and_import(index: LocalIndex) -> None:
    rows = [added(index, "one"), added(index, "two")]
    assert install(rows, HERE, ["one", "two"]) == Installed("yes")
    assert install(rows, HERE, ["one", "two"]).data == {"status": "yes", "reason": "", "native": []}


def test_only_packages_of_the_solution_are_installed(index: LocalIndex) -> None:
    filename = index.add("one", "1.0", ["three"])
    index.add("three", "1.0")
    needs = {"two/__init__.py": b"import importlib.util\nassert importlib.util.find_spec('three') is None\n"}
    assert (
        install([row(index, "one", "1.0", filename), added(index, "two", more=needs)], HERE, ["one", "two"]).status
        == "yes"
    )
    assert not any("three" in path for path in index.asked)


def test_a_file_with_another_hash_is_a_no(index: LocalIndex) -> None:
    good = added(index, "one")
    index.files[good.files[0].name] = wheel("one", "1.0", "py3-none-any", metadata("one", "1.0", (), (), ">=3"))[1]
    found = install([good], HERE, ["one"])
    assert found.status == "no"
    assert "serves a file with another hash than the resolved one" in found.reason
    assert "one" in found.reason


def test_a_module_that_does_not_import_is_a_no_with_the_error(index: LocalIndex) -> None:
    bad = added(index, "bad", more={"bad/__init__.py": b"import numpy.core.multiarray\n"})
    found = install([bad, added(index, "one")], HERE, ["one", "bad"])
    assert found == Installed("no", "bad cannot be imported: ModuleNotFoundError: No module named 'numpy'")


def test_a_package_that_is_not_installed_is_a_no(index: LocalIndex) -> None:
    assert install([added(index, "one")], HERE, ["two"]).status == "no"


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
)
def test_an_import_that_ends_the_process_is_a_no_and_is_named(index: LocalIndex, code: str, ending: str) -> None:
    rows = [added(index, "aaa"), added(index, "bad", more={"bad/__init__.py": code.encode()}), added(index, "ccc")]
    assert install(rows, HERE, ["aaa", "bad", "ccc"]) == Installed(
        "no", f"importing bad ended the process with {ending}"
    )


def test_an_import_that_does_not_end_is_unknown_and_is_named(index: LocalIndex) -> None:
    slow = added(index, "slow", more={"slow/__init__.py": b"import time; time.sleep(600)"})
    found = install([slow], HERE, ["slow"], limits=CheckLimits(seconds=5))
    assert found == Installed("unknown", "importing slow: it did not end within 5 s")


def test_an_import_sees_nothing_of_the_callers_environment(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    code = b"import os, sys\nassert 'SOME_TOKEN' not in os.environ\nassert '/nowhere' not in sys.path\n"
    assert install([added(index, "one", more={"one/__init__.py": code})], HERE, ["one"]) == Installed("yes")


def test_a_failed_download_is_unknown_and_named(index: LocalIndex) -> None:
    lost = added(index, "lost")
    index.answers["/files/lost-1.0-py3-none-any.whl"] = (403, {}, b"")
    found = install([lost, added(index, "one")], HERE, ["one"])
    assert found.status == "unknown"
    assert "lost" in found.reason
    assert found.native == ()


def test_an_unreachable_explicit_index_is_unknown_and_the_default_index_is_not_used(index: LocalIndex) -> None:
    filename = index.add("torch", "2.5.1+cu121")
    far = IndexFile(filename, f"http://127.0.0.1:9/whl/{filename.replace('+', '%2B')}", index.sha256(filename))
    found = install([Resolved("torch", "2.5.1+cu121", "cu121", (far,))], HERE, ["torch"])
    assert found.status == "unknown"
    assert re.fullmatch(
        r"a package cannot be installed: Failed to fetch: (\S+/torch-2.5.1\S+: )?Connection refused .*", found.reason
    )
    assert not any("torch" in path for path in index.asked)


def test_a_listed_package_comes_from_its_own_file(index: LocalIndex) -> None:
    filename = index.add("torch", "2.5.1+cu121")
    assert install([row(index, "torch", "2.5.1+cu121", filename, source="cu121")], HERE, ["torch"]).status == "yes"


def test_offline_only_the_cache_is_used(index: LocalIndex) -> None:
    rows = [added(index, "one")]
    assert install(rows, HERE, ["one"], offline=True).status == "unknown"
    assert install(rows, HERE, ["one"]).status == "yes"
    index.asked.clear()
    assert install(rows, HERE, ["one"], offline=True).status == "yes"
    assert index.asked == []


def test_a_python_that_is_not_installed_is_unknown(index: LocalIndex) -> None:
    target = Target("3.99", HERE.platform, HERE.glibc)
    assert install([added(index, "one")], target, ["one"]) == Installed(
        "unknown", "Python 3.99 is not installed on this machine"
    )


def test_a_python_that_hangs_is_unknown(index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv starts every candidate on PATH to find out its version."""
    python = tmp_path / "python3.99"
    python.write_text("#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    target = Target("3.99", HERE.platform, HERE.glibc)
    found = install([added(index, "one")], target, ["one"], seconds=2)
    assert found == Installed("unknown", "finding Python: uv did not finish within 2 s")


def test_another_platform_is_unknown(index: LocalIndex) -> None:
    other = next(name for name in MACHINES if name != HERE.platform)
    found = install([added(index, "one")], Target(PYTHON, other, "2.28"), ["one"])
    assert found.status == "unknown"
    assert found.reason.startswith(f"the target is {other}, but this machine is linux/")
    assert index.asked == []


def test_a_package_without_a_hash_is_not_installed(index: LocalIndex) -> None:
    bare = Resolved("one", "1.0", None, (IndexFile("one-1.0-py3-none-any.whl", f"{index.url}/one", None),))
    assert install([bare], HERE, ["one"]).status == "unknown"


def test_a_source_is_built_and_one_that_does_not_build_is_unknown(index: LocalIndex) -> None:
    filename = index.add("built", "1.0", source=True)
    assert install([row(index, "built", "1.0", filename)], HERE, ["built"]) == Installed("yes")
    name = "broken-1.0.tar.gz"
    index.add_file("broken", name, b"not an archive", None)
    assert install([row(index, "broken", "1.0", name)], HERE, ["broken"]).status == "unknown"


def linked(folder: Path, name: str, text: str = "int answer(void) { return 42; }", *options: str) -> bytes:
    """A real shared object, compiled from ``text``."""
    (folder / "source.c").write_text(text)
    made = folder / name
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", made, f"-Wl,-soname,{name}", "source.c", *options], cwd=folder, check=True
    )
    return made.read_bytes()


@needs_compiler
def test_a_library_in_no_wheel_is_reported_and_one_in_another_wheel_is_not(index: LocalIndex, tmp_path: Path) -> None:
    lost, held = linked(tmp_path, "liblost.so.8"), linked(tmp_path, "libheld.so.2", "int held(void) { return 1; }")
    assert lost
    calls = "int answer(void); int held(void); int both(void) { return answer() + held(); }"
    user = linked(tmp_path, "libuser.so", calls, "./liblost.so.8", "./libheld.so.2")
    rows = [
        added(index, "user", "4.4.0", {"user/libuser.so": user}),
        added(index, "holder", "1.0", {"holder/lib/libheld.so.2": held}),
    ]
    warning = "user 4.4.0 requires liblost.so.8, which no package provides"
    assert install(rows, HERE, ["user", "holder"]) == Installed("yes", "", (warning,))
    assert install(rows, HERE, ["user"], system=["liblost.so.8"]).native == ()


@needs_compiler
def test_an_extension_whose_library_is_not_on_this_machine_is_unknown_not_no(index: LocalIndex, tmp_path: Path) -> None:
    linked(tmp_path, "liblost.so.8")
    module = "int answer(void); void *PyInit_fast(void) { return (void *)(long)answer(); }"
    made = linked(tmp_path, "fast.so", module, "./liblost.so.8")
    init = b"from . import fast\n"
    found = install([added(index, "user", more={"user/__init__.py": init, "user/fast.so": made})], HERE, ["user"])
    assert found.status == "unknown"
    assert found.reason == "user needs liblost.so.8, which this machine does not have"
    assert found.native == ("user 1.0 requires liblost.so.8, which no package provides",)


@needs_compiler
def test_a_cuda_library_loaded_by_name_is_reported(index: LocalIndex, tmp_path: Path) -> None:
    names = {"part": "libcudnn_ops_infer.so.8", "other": "libjack.so.0"}
    text = "".join(f'const char *{name}(void) {{ return "{library}"; }}' for name, library in names.items())
    found = install(
        [added(index, "user", more={"user/libuser.so": linked(tmp_path, "libuser.so", text)})], HERE, ["user"]
    )
    assert found.native == ("user 1.0 loads libcudnn_ops_infer.so.8 at run time, which no package provides",)


def test_a_file_that_only_has_the_name_of_a_library_is_ignored(index: LocalIndex) -> None:
    for content in (b"", b"GROUP ( libc.so.6 )", b"\x7fELF", b"\x7fELF" + b"\xff" * 200):
        name = f"odd{len(content)}"
        assert install([added(index, name, more={f"{name}/libodd.so": content})], HERE, [name]) == Installed("yes")


@pytest.mark.network
def test_real_wheels_of_the_reference_install_and_their_missing_libraries_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ctranslate2 4.4.0 loads cuDNN 8 by name, which no wheel of this family provides."""
    from datetime import UTC, datetime

    from lockgen.core.resolution import Request
    from lockgen.resolvers.uv import Uv

    target = Target("3.11", "linux/amd64", "2.35")
    if HERE.platform != target.platform or target.python != PYTHON:
        pytest.skip("the reference is Python 3.11 on linux/amd64")
    wanted = ("ctranslate2==4.4.0", "numpy==2.3.4", "soundfile==0.12.1")
    cut_off = datetime(2025, 11, 4, tzinfo=UTC)
    request = Request("real", target, wanted, (), {}, {}, {}, frozenset(), cut_off)
    rows = list(Uv().solve(request).packages.values())
    found = install(rows, target, ["numpy", "soundfile", "ctranslate2"])
    assert (found.status, found.reason) == ("yes", "")
    assert "ctranslate2 4.4.0 loads libcudnn_ops_infer.so.8 at run time, which no package provides" in found.native
    assert all(line.startswith("ctranslate2 4.4.0 ") for line in found.native)
