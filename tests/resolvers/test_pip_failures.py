"""Failures of pip and pip-tools become errors of lockgen: never a traceback, always a reason and a way out."""

from __future__ import annotations

import hashlib

import pytest
from support.asking import ask, full_text
from support.index import LocalIndex, metadata

from lockgen.errors import LockgenError, NoResolution, ToolFailed
from lockgen.io.http import Http
from lockgen.io.process import Finished
from lockgen.resolvers.pip_compile import PipCompile
from lockgen.resolvers.pip_failures import pip_failure, preferences_in_conflict
from lockgen.resolvers.routing_index import RoutingIndex

FRAMES = (
    'Traceback (most recent call last):\n  File "/x/piptools/__main__.py", line 9, in <module>\n    cli()\n    ^^^^^\n'
)
CHAIN = "\nThe above exception was the direct cause of the following exception:\n\n"


def failed(*requirements: str, build: tuple[str, ...] = ()) -> str:
    """The text of the error of a real run."""
    with pytest.raises(LockgenError) as raised:
        PipCompile(Http()).solve(ask(*requirements, build=build))
    return text_of(raised.value)


def text_of(error: LockgenError) -> str:
    text = full_text(error)
    assert "Traceback" not in text
    assert 'File "' not in text
    assert "requirements.in" not in text
    return text


def of_text(stderr: str, code: int = 1) -> LockgenError:
    """The error for a run that printed ``stderr``."""
    index = RoutingIndex(Http(), ask("pkg"), "http://127.0.0.1:9/simple")
    return pip_failure(Finished(code, "", stderr), index, ask("pkg"))


# -- real runs ----------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("one",), ("one", "two")])
def test_a_python_that_only_metadata_excludes(index: LocalIndex, names: tuple[str, ...]) -> None:
    for name in names:
        file = index.add(name, "1.0", python=">=3.99")
        del index.pages[name][file]["requires-python"]
    assert "one 1.0 requires Python >=3.99, but the target has 3." in failed(*names)


def test_a_bound_that_no_version_satisfies(index: LocalIndex) -> None:
    index.add("pkg", "1.0", ["other<2"])
    for version in ("2.0", "3.0"):
        index.add("other", version)
    text = failed("pkg")
    assert "no version satisfies this requirement:\npkg 1.0 requires other<2" in text
    assert "2.0, 3.0" in text


def test_versions_that_are_all_yanked(index: LocalIndex) -> None:
    index.add("pkg", "1.0", yanked=True)
    assert "only a pin selects a yanked version: 1.0" in failed("pkg")


def test_metadata_of_another_package(index: LocalIndex) -> None:
    name = index.add("pkg", "1.0")
    text = metadata("different", "1.0", [], [], None).encode()
    index.metadata[name] = text
    index.pages["pkg"][name]["core-metadata"] = {"sha256": hashlib.sha256(text).hexdigest()}
    found = failed("pkg")
    assert f"the metadata of {name} is that of different 1.0" in found
    assert "pin another version" in found


def test_metadata_with_another_hash(index: LocalIndex) -> None:
    name = index.add("pkg", "1.0")
    index.metadata[name] += b"Summary: changed\n"
    assert f"the metadata of {name} does not match the index page" in failed("pkg")


def test_a_source_distribution_with_another_hash(index: LocalIndex) -> None:
    name = index.add("pkg", "1.0", source=True)
    index.files[name] += b"\0"
    assert f"{name} does not match the index page" in failed("pkg", build=("pkg",))


def test_a_build_requirement_that_does_not_exist(index: LocalIndex) -> None:
    index.add("pkg", "1.0", source=True, builds=["nowhere"])
    text = failed("pkg", build=("pkg",))
    assert "pkg-1.0.tar.gz" in text
    assert "nowhere was not found" in text


def test_a_wheel_that_is_none(index: LocalIndex) -> None:
    index.add_file("pkg", "pkg-1.0-py3-none-any.whl", b"not a zip", None)
    assert "pkg-1.0-py3-none-any.whl" in failed("pkg")


def test_a_python_that_does_not_start(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure before pip-compile itself runs."""
    index.add("pkg", "1.0")
    monkeypatch.setenv("PYTHONUTF8", "neither")
    text = failed("pkg")
    assert "pip-compile stopped with exit code" in text
    assert "PYTHONUTF8" in text
    assert "--resolver uv" in text


# -- what pip prints, from its source ---------------------------------------------------------


@pytest.mark.parametrize(
    "last",
    [
        "pip._internal.exceptions.ResolutionTooDeepError: <ResolutionTooDeepError: resolution-too-deep>",
        "RecursionError: maximum recursion depth exceeded",
        "RuntimeError: No stable configuration of concrete packages could be found for the given constraints after 10"
        " rounds of resolving.\nThis is likely a bug.",
    ],
    ids=["too-deep", "recursion", "rounds"],
)
def test_too_many_combinations(last: str) -> None:
    error = of_text(FRAMES + last)
    assert isinstance(error, ToolFailed)
    assert "too many combinations" in text_of(error)
    assert preferences_in_conflict(Finished(1, "", last), {"a": "1.0", "b": "1.0"}) == {"a", "b"}


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("pip._internal.exceptions.network.ConnectionFailedError: <ConnectionFailedError: connection-failed>",
         "ConnectionFailedError: connection failed"),
        ("pip._internal.exceptions.InvalidWheelFilename: x.whl is not a valid wheel filename.",
         "InvalidWheelFilename: x.whl is not a valid wheel filename."),
        ("pip._internal.exceptions.hashes.HashMismatch: THESE PACKAGES DO NOT MATCH THE HASHES:\n    pkg==1.0",
         "HashMismatch: THESE PACKAGES DO NOT MATCH THE HASHES:\n    pkg==1.0"),
        ("packaging.requirements.InvalidRequirement: Expected end or semicolon\n    pkg>dev", "pkg>dev"),
        ("KeyError: 'name'", "KeyError: 'name'"),
        ("StopIteration", "StopIteration"),
    ],
)  # fmt: skip
def test_another_exception_is_reported_without_its_traceback(last: str, said: str) -> None:
    cause = f"{FRAMES}OSError: first\n{CHAIN}"
    error = of_text(f"  WARNING: ignored\n{cause}{FRAMES}{last}\n")
    assert isinstance(error, ToolFailed)
    text = text_of(error)
    assert said in text
    assert "OSError: first" not in text
    assert "use --resolver uv" in text


def test_a_pip_that_does_not_fit_pip_tools() -> None:
    text = text_of(of_text(f"{FRAMES}ImportError: cannot import name 'x' from 'pip._internal'"))
    assert "pip install -U pip pip-tools" in text
    assert "pip install -U pip pip-tools" in text_of(of_text("/usr/bin/python3: No module named piptools"))


def test_a_pip_compile_that_was_killed() -> None:
    assert "ended by signal 9" in text_of(of_text("", -9))


def test_a_conflict_without_named_causes_has_a_reason() -> None:
    printed = "  ERROR: Could not find a version that satisfies the requirement pkg (from versions: none)\n"
    last = "pip._internal.exceptions.DistributionNotFound: No matching distribution found for pkg\n"
    error = of_text(printed + FRAMES + last)
    assert isinstance(error, NoResolution)
    assert "requirement pkg" in text_of(error)
