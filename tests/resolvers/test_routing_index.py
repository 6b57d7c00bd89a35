"""The index that pip sees: where each page comes from, which files it offers, and their metadata."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from packaging.requirements import Requirement
from support.asking import MACHINE, NEXT_CP, ask
from support.index import LocalIndex

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.core_metadata import parse_metadata
from lockgen.io.http import Http
from lockgen.io.http_model import AccessForbidden
from lockgen.resolvers.routing_index import RoutingIndex

JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
BROKEN_PAGE = (200, JSON, b"[")
FORBIDDEN: tuple[int, dict[str, str], bytes] = (403, {}, b"")


def routing(index: LocalIndex, request: Request | None = None) -> RoutingIndex:
    return RoutingIndex(Http(), request or ask("pkg"), index.url)


def listed(name: str, requires_python: str | None = None, sha256: str | None = "0" * 64) -> IndexFile:
    return IndexFile(name, f"https://index.example/{name}", sha256, requires_python=requires_python)


def with_files(*files: IndexFile) -> ExplicitIndex:
    """cu121 with ``files`` of torch."""
    known = {file.name: CoreMetadata("torch", "2.5.1+cu121", None, ("numpy",)) for file in files}
    return ExplicitIndex("cu121", "https://index.example", {"torch": ProjectPage("torch", files)}, known)


def names(routed: RoutingIndex, project: str) -> list[str]:
    """The usable files of ``project``."""
    return [file.name for file in routed.routed(project).page.files]


def offered(routed: RoutingIndex, project: str) -> list[str]:
    """The names of the files that pip sees."""
    served = routed.page("", project)
    return [file.name for file in served.page.files] if served is not None else []


def served_metadata(routed: RoutingIndex, name: str) -> CoreMetadata:
    text = routed.metadata("", name)
    assert text is not None
    return parse_metadata(text, name)


# -- where pages come from -------------------------------------------------------------


def test_all_known_names_are_read_ahead(index: LocalIndex) -> None:
    for name in ("kept", "needed", "pinned"):
        index.add(name, "1.0")
    index.answers["/simple/broken/"] = BROKEN_PAGE
    request = ask("Needed>=1", "broken", "torch", pins=["pinned==1.0"], kept={"kept": "1.0"}, routed=["torch"])
    routed = routing(index, request)
    routed.prefetch()
    expected = [f"/simple/{name}/" for name in ("broken", "kept", "needed", "pinned")]
    assert sorted(index.asked) == expected
    for name in ("kept", "needed", "pinned"):
        assert offered(routed, name) == [f"{name}-1.0-py3-none-any.whl"]
    with pytest.raises(ToolFailed):
        routed.page("", "broken")
    assert sorted(index.asked) == expected, "each page is requested once, also one that cannot be read"
    assert list(routed.failures) == ["broken"]


def test_the_error_of_a_page_is_raised_again(index: LocalIndex) -> None:
    index.answers["/simple/broken/"] = BROKEN_PAGE
    routed = routing(index)
    errors = []
    for _ in range(2):
        with pytest.raises(ToolFailed) as raised:
            routed.routed("broken")
        errors.append(raised.value)
    assert errors[0] is errors[1] is routed.failures["broken"]
    assert index.asked == ["/simple/broken/"]


def test_a_project_that_the_index_does_not_have(index: LocalIndex) -> None:
    routed = routing(index)
    assert routed.page("", "missing") is None
    assert (routed.failures, routed.forbidden, routed.only_sources) == ({}, {}, set())


def test_a_blocked_name_is_not_requested(index: LocalIndex) -> None:
    index.add("torch", "1.0")
    index.add("other", "1.0")
    routed = routing(index, replace(ask("torch"), blocked=frozenset({"torch"})))
    assert (routed.page("", "torch"), index.asked) == (None, [])
    assert routed.routed("torch").index is None
    assert offered(routed, "other") == ["other-1.0-py3-none-any.whl"]


def test_the_files_of_an_explicit_index(index: LocalIndex) -> None:
    index.add("torch", "9.0")
    usable = listed("torch-2.5.1+cu121-py3-none-any.whl", ">=3.8")
    files = (
        listed(f"torch-2.6+cu121-{NEXT_CP}-{NEXT_CP}-linux_{MACHINE}.whl"),
        listed("torch-2.7+cu121-py3-none-any.whl", ">=3.99"),
        listed("torch-2.8+cu121-py3-none-any.whl", sha256=None),
        listed("torch-2.9+cu121.tar.gz"),
        usable,
    )
    # Explicit indexes have wheels only, and no upload times.
    request = ask("torch", routed=["torch"], explicit_index=with_files(*files), build=["torch"])
    routed = routing(index, replace(request, exclude_newer=datetime(2020, 1, 1, tzinfo=UTC)))
    found = routed.routed("torch")
    assert (found.page, found.index) == (ProjectPage("torch", (usable,)), "cu121")
    assert routed.routed("torch") is found
    assert index.asked == []
    assert served_metadata(routed, offered(routed, "torch")[0]).requires == ("numpy",)


def test_an_index_that_forbids_every_page(index: LocalIndex) -> None:
    index.answers["/simple/a/"] = FORBIDDEN
    index.add("b", "1.0")
    index.add("old", "1.0", python="<3")
    routed = routing(index, ask("a", "torch", routed=["torch"]))
    # torch comes from an explicit index, which answers for itself only.
    seen = [("", routed.refuses_all)]
    for name in ("torch", "a", "old", "b"):
        routed.page("", name)
        seen.append((name, routed.refuses_all))
    assert seen == [("", False), ("torch", False), ("a", True), ("old", True), ("b", False)]
    assert [name for name in ("torch", "a", "old", "b") if offered(routed, name)] == ["torch", "b"]
    assert isinstance(routed.forbidden["a"], AccessForbidden)
    assert routed.routed("a").index is None
    assert (routed.failures, routed.only_sources) == ({}, set())


# -- which files -----------------------------------------------------------------------


def test_pip_sees_the_best_file_of_each_version_under_a_portable_name(index: LocalIndex) -> None:
    index.add("My-Pkg", "1.0", tag=f"py3-none-manylinux_2_17_{MACHINE}")
    index.add("My-Pkg", "1.0")
    index.add("My-Pkg", "2.0+local", yanked=True)
    routed = routing(index)
    served = routed.page("", "my-pkg")
    assert served is not None
    assert not served.hashed, "metadata is read only if pip requests it"
    assert served.page.project == "my-pkg"
    files = {file.name: file for file in served.page.files}
    assert sorted(files) == ["my_pkg-1.0-py3-none-any.whl", "my_pkg-2.0+local-py3-none-any.whl"]
    assert files["my_pkg-1.0-py3-none-any.whl"] == IndexFile("my_pkg-1.0-py3-none-any.whl", "", None)
    assert files["my_pkg-2.0+local-py3-none-any.whl"].yanked == ""
    assert names(routed, "my-pkg") == [
        f"my_pkg-1.0-py3-none-manylinux_2_17_{MACHINE}.whl",
        "my_pkg-1.0-py3-none-any.whl",
        "my_pkg-2.0+local-py3-none-any.whl",
    ]


def test_the_cut_off_and_the_python_of_the_target(index: LocalIndex) -> None:
    index.add("pkg", "1.0", uploaded="2024-12-31T23:59:59Z")
    index.add("pkg", "2.0", uploaded="2025-01-01T00:00:00Z")
    index.add("pkg", "3.0", uploaded="2025-01-01T00:00:01Z")
    undated = index.add("pkg", "4.0")
    del index.pages["pkg"][undated]["upload-time"]
    index.add("pkg", "0.5", uploaded="2024-01-01T00:00:00Z", python=">=3.99")
    request = ask("pkg", exclude_newer=datetime(2025, 1, 1, tzinfo=UTC))
    assert names(routing(index, request), "pkg") == ["pkg-1.0-py3-none-any.whl"]
    everything = [f"pkg-{number}.0-py3-none-any.whl" for number in (1, 2, 3, 4)]
    assert names(routing(index), "pkg") == everything


def test_projects_without_a_wheel_for_the_target(index: LocalIndex) -> None:
    index.add("source", "1.0", source=True)
    index.add("foreign", "1.0", tag="cp39-cp39-win_amd64")
    index.add("later", "1.0", python=">=3.99")
    index.add("wheel", "1.0")
    built = index.add("built", "1.0", source=True)
    index.add("built", "1.0")
    routed = routing(index, ask("built", build=["built"]))
    found = {name: names(routed, name) for name in ("source", "foreign", "later", "wheel", "built")}
    assert found["built"] == [built]
    assert [name for name in found if found[name]] == ["wheel", "built"]
    assert routed.only_sources == {"source", "foreign"}


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [("My.Pkg", True), ("my-pkg==1.0", True), ("my-pkg>1", True), ("my-pkg>2", False), ("missing", False)],
)
def test_whether_a_file_satisfies_a_requirement(index: LocalIndex, requirement: str, expected: bool) -> None:
    index.add("my-pkg", "1.0")
    index.add("my-pkg", "2.0a1")
    assert routing(index).offers(Requirement(requirement)) is expected


# -- metadata --------------------------------------------------------------------------


def test_metadata_is_reduced_to_the_target(index: LocalIndex) -> None:
    requires = ["a; python_version >= '3'", "b; python_version < '3'", "c; extra == 'x'"]
    index.add("pkg", "1.0", requires, extras=["x"], python=">=3.8")
    routed = routing(index)
    assert offered(routed, "pkg") == ["pkg-1.0-py3-none-any.whl"]
    expected = CoreMetadata("pkg", "1.0", None, ("a", 'c; extra == "x"'), ("x",))
    found = served_metadata(routed, "pkg-1.0-py3-none-any.whl")
    assert replace(found, requires=tuple(line.replace(" ;", ";") for line in found.requires)) == expected
    assert routed.metadata("", "pkg-2.0-py3-none-any.whl") is None
    assert (routed.unreadable, routed.broken) == ({}, {})


def test_the_metadata_of_a_source_distribution(index: LocalIndex) -> None:
    # Not static, so that its backend is asked.
    index.add("pkg", "1.0", ["a"], source=True)
    routed = routing(index, ask("pkg", build=["pkg"]))
    assert offered(routed, "pkg") == ["pkg-1.0-py3-none-any.whl"]
    assert served_metadata(routed, "pkg-1.0-py3-none-any.whl").requires == ("a",)


def test_metadata_that_cannot_be_read(index: LocalIndex) -> None:
    name = index.add("pkg", "1.0", tag=f"py3-none-manylinux_2_17_{MACHINE}")
    index.metadata[name] = b"other"
    routed = routing(index)
    (portable,) = offered(routed, "pkg")
    assert routed.metadata("", portable) is None
    assert list(routed.unreadable) == [name]
    assert isinstance(routed.unreadable[name], LockgenError)


def test_releases_with_an_invalid_requirement(index: LocalIndex) -> None:
    index.add("pkg", "1.0", ["a", "b ==="])
    index.add("pkg", "2.0", ["a"])
    routed = routing(index)
    for name in offered(routed, "pkg"):
        assert routed.metadata("", name) is not None
    assert routed.broken == {"pkg 1.0": "b ==="}


def test_a_requirement_by_url(index: LocalIndex) -> None:
    index.add("pkg", "1.0", ["other @ https://files.example/other.whl"])
    routed = routing(index)
    (name,) = offered(routed, "pkg")
    (requirement,) = served_metadata(routed, name).requires
    assert "https" not in requirement
    assert routed.url_requirements.first([]) is None
    assert routed.page("", requirement) is None
    found = routed.url_requirements.first([])
    assert found is not None
    assert (found.name, found.package) == ("pkg", "other")
    assert index.asked.count(f"/simple/{requirement}/") == 0
