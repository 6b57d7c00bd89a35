"""No solution, and failures that say nothing about a solution: a resolver must not confuse them."""

from __future__ import annotations

import json
import socket

import pytest
from support.asking import ask, files, full_text, versions
from support.index import LocalIndex

from lockgen.core.resolution import Resolver
from lockgen.errors import NoResolution, ToolFailed
from lockgen.index.metadata import MetadataReader
from lockgen.io.http import Http


def test_a_conflict_names_both_sides(index: LocalIndex, resolver: Resolver) -> None:
    index.add("left", "1.0", ["shared<2"])
    index.add("right", "1.0", ["shared>=2"])
    for version in ("1.0", "2.0"):
        index.add("shared", version)
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("left", "right"))
    reason = str(raised.value.faults[0].reason)
    assert "left" in reason
    assert "right" in reason
    assert "shared" in reason


def test_a_pin_in_conflict_is_named(index: LocalIndex, resolver: Resolver) -> None:
    index.add("asker", "1.0", ["shared>=2"])
    for version in ("1.0", "2.0"):
        index.add("shared", version)
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("asker", pins=["shared==1.0"]))
    reason = str(raised.value.faults[0].reason)
    assert "asker" in reason
    assert "shared" in reason
    assert "lockgen-family" not in reason


def test_a_conflict_of_requirements_is_not_blamed_on_preferences(index: LocalIndex, resolver: Resolver) -> None:
    for name, bound in (("left", "shared<2"), ("right", "shared>=2")):
        index.add(name, "1.0", [bound])
    for version in ("1.0", "2.0"):
        index.add("shared", version)
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("left", "right", kept={"left": "1.0", "right": "1.0", "shared": "1.0"}))
    reason = str(raised.value.faults[0].reason)
    assert "left" in reason
    assert "right" in reason
    assert "Discarding" not in full_text(raised.value)


def test_a_package_that_no_index_knows_is_named(index: LocalIndex, resolver: Resolver) -> None:
    index.add("asker", "1.0", ["no-such-package"])
    with pytest.raises(NoResolution, match="no solution") as raised:
        resolver.solve(ask("asker"))
    assert "no-such-package" in full_text(raised.value)


def test_a_pin_of_a_version_that_does_not_exist_is_named(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0")
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("pkg", pins=["pkg==7.8.9"]))
    assert "pkg" in str(raised.value.faults[0].reason)
    assert "7.8.9" in str(raised.value.faults[0].reason)


def test_a_source_distribution_is_not_built_by_default(index: LocalIndex, resolver: Resolver) -> None:
    index.add("only-source", "1.0", source=True)
    index.add("asker", "1.0", ["only-source"])
    with pytest.raises(NoResolution) as raised:
        resolver.solve(ask("asker"))
    assert '[family] build = ["only-source"]' in str(raised.value.faults[0].hint)


def test_a_source_distribution_that_may_be_built_is_its_only_file(index: LocalIndex, resolver: Resolver) -> None:
    index.add("only-source", "1.0", ["needed"], source=True)
    index.add("needed", "1.0")
    index.add("both", "1.0", source=True)
    index.add("both", "1.0")
    solution = resolver.solve(ask("only-source", "both", build=["only-source", "both"]))
    assert versions(solution) == {"both": "1.0", "needed": "1.0", "only-source": "1.0"}
    assert files(solution, "only-source") == ["only_source-1.0.tar.gz"]
    assert files(solution, "both") == ["both-1.0.tar.gz"]
    assert solution.packages["both"].files[0].sha256 == index.sha256("both-1.0.tar.gz")


def test_an_older_wheel_is_preferred_to_a_source_distribution(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0")
    index.add("pkg", "2.0", source=True)
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "1.0"}


def test_a_failed_build_is_not_a_conflict(
    index: LocalIndex, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.index.BACKEND", "raise RuntimeError('needs a header')\n")
    index.add("broken", "1.0", source=True)
    with pytest.raises(ToolFailed) as raised:
        resolver.solve(ask("broken", build=["broken"]))
    assert "broken" in full_text(raised.value)
    assert "needs a header" in full_text(raised.value)


def test_an_unreachable_index_is_not_a_conflict(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        address = f"http://user:s3cret@127.0.0.1:{taken.getsockname()[1]}/simple"
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(ToolFailed) as raised:
            resolver.solve(ask("pkg"))
    assert "s3cret" not in full_text(raised.value)
    assert "127.0.0.1" in full_text(raised.value)


def test_an_index_that_fails_is_not_a_conflict(
    index: LocalIndex, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index.add("pkg", "1.0", ["other"])
    index.answers["/simple/other/"] = (500, {}, b"out of order")
    with pytest.raises(ToolFailed) as raised:
        resolver.solve(ask("pkg"))
    assert "500" in full_text(raised.value)


def test_an_invalid_page_is_not_a_conflict(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0", ["other"])
    index.answers["/simple/other/"] = (200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, b"{")
    with pytest.raises(ToolFailed) as raised:
        resolver.solve(ask("pkg"))
    assert "other" in full_text(raised.value)


def test_a_hash_that_the_index_does_not_give_is_not_vouched(index: LocalIndex, resolver: Resolver) -> None:
    index.add("pkg", "1.0", hashed=False)
    request = ask("pkg")
    (file,) = resolver.solve(request).packages["pkg"].files
    if resolver.name == "pip-compile":
        assert file.sha256 is None
        return
    # uv downloads such a wheel and hashes it. That hash must not reach a lock. Every lock needs the metadata, and
    # reading it compares the hash with the page of the index.
    assert not file.vouched
    with pytest.raises((NoResolution, ToolFailed)) as raised:
        MetadataReader(Http()).read([file], request)
    assert "pkg" in full_text(raised.value)


def test_hostile_entries_of_a_page_have_no_effect(index: LocalIndex, resolver: Resolver) -> None:
    good = index.add("pkg", "1.0")
    entry = index.pages["pkg"][good]
    for name in (
        "../../pkg-9.0-py3-none-any.whl",
        "pkg-9.1-py3-none-any.whl\n--index-url x",
        "pkg-9.2-py3-none-any.whl; rm -rf",
        "other-9.3-py3-none-any.whl",
        "pkg-9.4 $(id)-py3-none-any.whl",
        "pkg-9.5.exe",
        "pkg-.whl",
        "",
    ):
        index.pages["pkg"][name] = {**entry, "filename": name}
    (file,) = resolver.solve(ask("pkg")).packages["pkg"].files
    assert (file.name, file.sha256) == (good, index.sha256(good))


@pytest.mark.parametrize("digest", ["zz" * 32, "abc", "0" * 64 + "\n--hash=x", "../../etc"])
def test_an_invalid_hash_is_not_passed_on(index: LocalIndex, resolver: Resolver, digest: str) -> None:
    name = index.add("pkg", "1.0")
    index.pages["pkg"][name]["hashes"] = {"sha256": digest}
    try:
        found = resolver.solve(ask("pkg")).packages["pkg"].files
    except (NoResolution, ToolFailed):
        return
    assert digest not in json.dumps([file.sha256 for file in found])
    assert all(file.sha256 is None or not file.vouched for file in found)
