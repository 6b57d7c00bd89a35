"""A cell that fails is unknown, with the reason. The others continue, and finished cells are cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from support.backtracking import Backtracking
from support.families import cpu_family
from support.index import LocalIndex
from support.quiet import Silence

from lockgen.compat.cells import Scenario, axes_of, cells_of, groups_of, scenario_of
from lockgen.compat.matrix_search import MatrixSearch
from lockgen.compat.model import CellOutcome
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.errors import TimedOut, ToolFailed
from lockgen.io.cache import FileCache
from lockgen.io.parallel import Threads
from lockgen.manifest.reader import parse_manifest

FAMILY = cpu_family(
    "fails",
    """\
[pins]
alpha = "1.0"
beta = "2.0"
[bases.base]
packages = ["alpha", "beta"]
[compat]
alpha = ["1.0", "2.0", "3.0"]
""",
)


@pytest.fixture
def packages() -> LocalIndex:
    index = LocalIndex()
    for version in ("1.0", "2.0", "3.0"):
        index.add("alpha", version)
    index.add("beta", "1.0")
    index.add("beta", "2.0", ["alpha<3"])
    return index


class Failing:
    """A resolver that calls ``fail`` for requests with the constraint ``text``. ``asked`` has all requests."""

    name = "failing"

    def __init__(self, index: LocalIndex, text: str, fail: Callable[[int, Request], None]) -> None:
        self._inner = Backtracking(index)
        self._text, self._fail = text, fail
        self.asked: list[Request] = []
        self.hits = 0

    def solve(self, request: Request) -> Solution:
        self.asked.append(request)
        if self._text in request.constraints:
            self.hits += 1
            self._fail(self.hits, request)
        return self._inner.solve(request)


def scenarios() -> list[Scenario]:
    manifest = parse_manifest(FAMILY.encode())
    assert manifest.compat is not None
    cells = cells_of(manifest.compat, axes_of(manifest.compat, {}))
    (group,) = groups_of(manifest, ["cpu"])
    return [scenario_of(manifest, cell, group, {}, {}) for cell in cells]


def matrix(index: LocalIndex, resolver: Resolver, *, workers: int = 2, questions: int = 100) -> MatrixSearch:
    fake = Backtracking(index)
    return MatrixSearch(resolver, fake, {}, FileCache(), Threads(workers), Silence(), {}, questions=questions)


def statuses(outcomes: Sequence[CellOutcome | None]) -> list[str | None]:
    return [str(outcome.status) if outcome is not None else None for outcome in outcomes]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(tmp_path))


def crash(hit: int, request: Request) -> None:
    raise RuntimeError("segmentation fault")


def time_out(hit: int, request: Request) -> None:
    raise TimedOut("uv did not finish within 60 s")


def no_network(hit: int, request: Request) -> None:
    raise ToolFailed("the index could not be read")


def test_without_a_failure(packages: LocalIndex) -> None:
    resolver = Failing(packages, "nothing", crash)
    outcomes = matrix(packages, resolver).outcomes(scenarios())
    assert statuses(outcomes) == ["yes", "yes", "changes"]
    assert outcomes[2] is not None
    assert outcomes[2].changes == {"beta": ("2.0", "1.0")}


@pytest.mark.parametrize(
    ("fail", "reason", "times"),
    [
        (crash, "failing crashed: RuntimeError: segmentation fault", 3),
        (time_out, "did not finish within 60 s", 2),
        (no_network, "the index could not be read", 3),
    ],
    ids=["crash", "timeout", "index"],
)
def test_one_cell_is_unknown_and_the_others_are_not(
    packages: LocalIndex, fail: Callable[[int, Request], None], reason: str, times: int
) -> None:
    """The cache is tried first, then the network, which is retried once except after a timeout."""
    resolver = Failing(packages, "alpha==2.0", fail)
    outcomes = matrix(packages, resolver).outcomes(scenarios())
    assert statuses(outcomes) == ["yes", "unknown", "changes"]
    assert outcomes[1] is not None
    assert reason in outcomes[1].reason
    assert resolver.hits == times
    repaired = Failing(packages, "nothing", fail)
    again = matrix(packages, repaired).outcomes(scenarios())
    assert statuses(again) == ["yes", "yes", "changes"], "an unknown outcome is not cached"
    assert {constraint for request in repaired.asked for constraint in request.constraints} == {
        "alpha==2.0",
        "beta==2.0",
    }


def test_an_index_that_fails_once_is_retried(packages: LocalIndex) -> None:
    def fail(hit: int, request: Request) -> None:
        if hit < 3:
            no_network(hit, request)

    resolver = Failing(packages, "alpha==2.0", fail)
    assert statuses(matrix(packages, resolver).outcomes(scenarios())) == ["yes", "yes", "changes"]
    assert resolver.hits == 3


def test_finished_cells_are_kept_after_ctrl_c(packages: LocalIndex) -> None:
    def stop(hit: int, request: Request) -> None:
        raise KeyboardInterrupt

    outcomes = matrix(packages, Failing(packages, "alpha==2.0", stop), workers=1).outcomes(scenarios())
    assert statuses(outcomes) == ["yes", None, None]
    resolver = Failing(packages, "nothing", stop)
    assert statuses(matrix(packages, resolver).outcomes(scenarios())) == ["yes", "yes", "changes"]
    assert not [request for request in resolver.asked if "alpha==1.0" in request.constraints]


def test_finished_cells_are_not_resolved_again(packages: LocalIndex) -> None:
    first = matrix(packages, Failing(packages, "nothing", crash)).outcomes(scenarios())
    resolver = Failing(packages, "nothing", crash)
    assert matrix(packages, resolver).outcomes(scenarios()) == first
    assert resolver.asked == []


def test_other_tool_versions_are_not_served_from_the_cache(packages: LocalIndex) -> None:
    matrix(packages, Failing(packages, "nothing", crash)).outcomes(scenarios())
    resolver = Failing(packages, "nothing", crash)
    fake = Backtracking(packages)
    MatrixSearch(resolver, fake, {}, FileCache(), Threads(1), Silence(), {"resolver": "uv 99"}).outcomes(scenarios())
    assert resolver.asked


def test_damaged_cache_entries_are_ignored(packages: LocalIndex, tmp_path: object) -> None:
    from pathlib import Path

    first = matrix(packages, Failing(packages, "nothing", crash)).outcomes(scenarios())
    kept = [path for path in Path(str(tmp_path)).rglob("*") if path.is_file()]
    assert kept
    for path, text in zip(kept, ("", "[]", '{"status": "maybe"}'), strict=True):
        path.write_text(text)
    resolver = Failing(packages, "nothing", crash)
    assert matrix(packages, resolver).outcomes(scenarios()) == first
    assert resolver.asked


def test_too_many_resolver_calls_are_unknown_with_a_reason(packages: LocalIndex) -> None:
    outcomes = matrix(packages, Failing(packages, "nothing", crash), questions=1).outcomes(scenarios())
    assert statuses(outcomes) == ["yes", "yes", "unknown"]
    assert outcomes[2] is not None
    assert "within 1 resolver call;" in outcomes[2].reason
