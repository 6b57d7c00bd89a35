"""`.ci/run` fails if a test is skipped where everything was installed (tests/support/skips.py)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.skips import ALLOWED, VARIABLE

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

CONFTEST = "from support.skips import register as pytest_configure"
KINDS = {
    "call": 'def test_it():\n    pytest.skip("no engine")',
    "mark": '@pytest.mark.skip(reason="no engine")\ndef test_it(): ...',
    "condition": '@pytest.mark.skipif(True, reason="no engine")\ndef test_it(): ...',
    "fixture": '@pytest.fixture\ndef engine():\n    pytest.skip("no engine")\ndef test_it(engine): ...',
    "unittest": 'import unittest\ndef test_it():\n    raise unittest.SkipTest("no engine")',
    "module": 'pytest.skip("no engine", allow_module_level=True)',
    "optional": 'pytest.importorskip("no_engine", reason="no engine")',
    "expected": '@pytest.mark.xfail(reason="no engine")\ndef test_it():\n    assert 0',
}
ERRORS = {"module", "optional", "mark", "condition", "fixture"}  # before the test: in the collection or in its setup


def write(pytester: pytest.Pytester, kinds: dict[str, str]) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(**{f"test_{name}": f"import pytest\n{body}\n" for name, body in kinds.items()})


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_every_kind_of_skip_is_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    monkeypatch.setenv(VARIABLE, "1")
    write(pytester, {**KINDS, "passing": "def test_it(): ..."})
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--continue-on-collection-errors", *options)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert ran.parseoutcomes() == {"passed": 1, "failed": len(KINDS) - len(ERRORS), "errors": len(ERRORS)}
    said = [line for line in ran.outlines if line == f"skipped, and {VARIABLE} is set: no engine"]
    assert len(said) == len(KINDS)


@pytest.mark.parametrize("value", ["1", ""])
def test_allowed_skips(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With the variable the allowed ones, without it all."""
    monkeypatch.setenv(VARIABLE, value)
    allowed = {f"allowed{at}": KINDS["call"].replace("no engine", reason) for at, reason in enumerate(ALLOWED)}
    write(pytester, allowed if value else {**KINDS, **allowed})
    ran = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    expected = {"skipped": len(ALLOWED)} if value else {"skipped": len(ALLOWED) + len(KINDS) - 1, "xfailed": 1}
    assert ran.parseoutcomes() == expected


@pytest.mark.parametrize("reason", ALLOWED)
def test_allowed_reasons_are_used(reason: str) -> None:
    found = subprocess.run(
        ["git", "grep", "-lF", f'pytest.skip("{reason}")', "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.count("\n") == 1


def test_ci_sets_the_variable_as_root_on_debian(tmp_path: Path) -> None:
    """The script is cut before its first session: it must have set the variable by then, unless a tool is missing."""
    lines = (ROOT / ".ci/run").read_text().split("# The README's second command")[0]
    script = tmp_path / ".ci/run"
    script.parent.mkdir()
    script.write_text(f'{lines}\necho "[${{{VARIABLE}:-}}]"\n')
    for name in ("engine-up", "browser-up", "simulator-up", "compiler-up", "sandbox-up"):
        (tmp_path / ".ci" / name).write_text("#!/bin/sh\n")
        (tmp_path / ".ci" / name).chmod(0o755)
    debian = os.geteuid() == 0 and "\nID=debian\n" in Path("/etc/os-release").read_text()
    ran = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert ran.stdout == ("[1]\n" if debian else "[]\n")
