"""Features and limits of one resolver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.asking import CP, HERE, MACHINE, ask, comparable, full_text, versions
from support.index import LocalIndex

from lockgen.errors import BadInput, ToolFailed
from lockgen.io.http import Http
from lockgen.resolvers import uv
from lockgen.resolvers.pip_compile import PipCompile
from lockgen.resolvers.uv import Uv


def test_uv_answers_from_a_warm_cache(index: LocalIndex) -> None:
    index.add("pkg", "1.0", ["torch"])
    for name in ("filelock", "numpy"):
        index.add(name, "1.0")
    request = ask("pkg", routed=["torch"])
    online = Uv().solve(request)
    asked = len(index.asked)
    assert comparable(Uv().solve(replace(request, offline=True))) == comparable(online)
    assert len(index.asked) == asked


def test_uv_reads_a_file_once_and_a_page_each_time(index: LocalIndex) -> None:
    """Files never change under their names, whatever the headers of an index are; pages get new releases."""
    index.add("pkg", "1.0", ["numpy"])
    index.add("numpy", "1.0")
    Uv().solve(ask("pkg"))
    assert any(path.startswith("/files/") for path in index.asked)
    index.asked.clear()
    index.add("numpy", "1.1")
    assert versions(Uv().solve(ask("pkg"))) == {"pkg": "1.0", "numpy": "1.1"}
    assert "/simple/numpy/" in index.asked
    assert {path for path in index.asked if path.startswith("/files/")} <= {
        path for path in index.asked if "numpy-1.1" in path
    }


def test_uv_reports_a_cold_cache(index: LocalIndex) -> None:
    index.add("pkg", "1.0")
    with pytest.raises(ToolFailed) as raised:
        Uv().solve(ask("pkg", offline=True))
    assert "without --offline" in full_text(raised.value)
    assert index.asked == []


def _stub(path: Path, prints: str, code: int = 0) -> str:
    path.write_text(f"#!/bin/sh\necho '{prints}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("prints", "code", "said"),
    [("uv 0.4.30", 0, "0.4.30 is too old"), ("", 0, "does not start"), ("uv 9.9.9", 1, "does not start")],
    ids=["old", "silent", "broken"],
)
def test_an_unusable_uv_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, code: int, said: str
) -> None:
    stub = _stub(tmp_path / "uv-stub", prints, code)
    monkeypatch.setattr(uv, "find_uv", lambda: stub)
    with pytest.raises(ToolFailed, match=said) as raised:
        Uv().solve(ask("pkg"))
    assert "pip install -U uv" in str(raised.value.faults[0].hint)


def test_a_uv_without_a_version_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = _stub(tmp_path / "uv-stub", "usage: something else")
    monkeypatch.setattr(uv, "find_uv", lambda: stub)
    with pytest.raises(ToolFailed, match="does not start"):
        Uv().solve(ask("pkg"))


def test_a_missing_uv_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "find_uv", lambda: str(tmp_path / "no-uv"))
    with pytest.raises(ToolFailed, match="not found"):
        Uv().solve(ask("pkg"))


def test_pip_compile_does_not_work_offline(index: LocalIndex) -> None:
    with pytest.raises(BadInput, match="offline"):
        PipCompile(Http()).solve(ask("pkg", offline=True))
    assert index.asked == []


def test_pip_compile_reads_the_metadata_of_the_installed_file(index: LocalIndex) -> None:
    # uv reads that of any file of a release, and lockgen compares it with the installed one.
    for minor, needed in ((17, "old"), (28, "middle"), (40, "new")):
        index.add("pkg", "1.0", [needed], tag=f"{CP}-{CP}-manylinux_2_{minor}_{MACHINE}")
        index.add(needed, "1.0")
    for glibc, needed in (("2.17", "old"), ("2.31", "middle"), ("2.40", "new")):
        request = ask("pkg", target=replace(HERE, glibc=glibc))
        assert versions(PipCompile(Http()).solve(request)) == {needed: "1.0", "pkg": "1.0"}


@pytest.mark.parametrize("python", [f"!={HERE.python}.*", f"<{HERE.python}", f">=3.8,<{HERE.python}"])
def test_pip_compile_heeds_all_of_requires_python(index: LocalIndex, python: str) -> None:
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", python=python)
    assert versions(PipCompile(Http()).solve(ask("pkg"))) == {"pkg": "1.0"}


def test_uv_heeds_only_the_lower_bound_of_requires_python(index: LocalIndex) -> None:
    # A limit of uv: pip refuses to install this file. This test fails once a version of uv lifts the limit.
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", python=f"<{HERE.python}")
    assert versions(Uv().solve(ask("pkg"))) == {"pkg": "2.0"}


def test_small_wheels_are_read_whole_if_the_index_has_nothing_else(index: LocalIndex) -> None:
    """Without separate METADATA and without range requests."""
    index.add("pkg", "1.0", ["other<2"])
    for version in ("1.0", "2.0"):
        index.add("other", version)
    index.metadata.clear()
    for page in index.pages.values():
        for entry in page.values():
            del entry["core-metadata"]
    assert versions(PipCompile(Http()).solve(ask("pkg"))) == {"other": "1.0", "pkg": "1.0"}
    assert any(path.endswith("pkg-1.0-py3-none-any.whl") for path in index.asked)
