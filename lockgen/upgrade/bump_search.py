"""The newest versions that a family can have of some pins, all else as it is: a resolver is asked.

The newest release is asked for first; where it does not fit, for anything below it (uv takes the highest in a range),
and then for anything above what that found: so hundreds of releases cost a handful of questions. torch's family is
asked for release by release, as each has its own partners.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.model import Answer, Constraint, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.reasons import short_reason
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Request
from lockgen.errors import ToolFailed
from lockgen.index.ports import Releases
from lockgen.lock.requests import order_of_variants
from lockgen.upgrade.bump_model import Choice, PinGroup, public
from lockgen.upgrade.pin_groups import AvailableVersions

_PATIENCE = 3
"""How many releases with an unknown answer (they do not build, the index is slow) are skipped."""

GivenVersions = Mapping[KeyPath, tuple[str, str]]
"""Pins that have a version already: path to name and version."""
Rest = Mapping[KeyPath, str]
"""Bounds of the pins that are still to be chosen, by path."""


@dataclass(frozen=True)
class Pick:
    """What a unit can become. ``choice`` is None where nothing newer fits; ``newest`` is what was hoped for.

    ``reason``: why the newest does not fit, in one line; "" where it does.
    """

    unit: PinGroup
    choice: Choice | None
    newest: Choice | None = None
    reason: str = ""


@dataclass
class BumpSearch:
    """Questions about one family. ``accelerators`` are those that variants are moved to.

    ``settled``: no release can come any more. Else a no of the cache, which may be of last week, is asked again.
    """

    session: Oracle
    manifest: Manifest
    indexes: Mapping[str, ExplicitIndex]
    releases: Releases
    pairs: Pairs
    offline: bool = False
    accelerators: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True

    def __post_init__(self) -> None:
        self.variants = order_of_variants(self.manifest)
        self.solves = {name: Constraints(self.manifest, [name], self.indexes) for name in self.variants}

    def warm(self) -> list[Verdict]:
        """What each variant says of the family as it is.

        With the network: what the cache holds of an index may be of last week.
        """
        return [self.session.ask(self.request(variant), warm=not self.offline) for variant in self.variants]

    def request(self, variant: str) -> Request:
        """The family as it is."""
        return self._request(variant, ())

    def market(self, units: Collection[PinGroup]) -> AvailableVersions:
        """What the indexes offer for ``units``."""
        listed: dict[tuple[str, str], Sequence[Version]] = {}
        routed: set[tuple[str, str]] = set()
        for seat in (seat for unit in units for seat in unit.seats):
            for variant in seat.variants or self.variants[:1]:
                request = self.request(variant)
                listed[seat.name, variant] = [Version(text) for text in self.releases.usable(seat.name, request)]
                if seat.name in request.routes:
                    routed.add((seat.name, variant))
        amd64 = self.manifest.target.platform == "linux/amd64"
        return AvailableVersions(listed, self.pairs, routed, self.accelerators, amd64)

    def newest(
        self, units: Sequence[PinGroup], market: AvailableVersions, given: GivenVersions, *, all_move: bool = False
    ) -> list[Pick]:
        """The newest that each of ``units`` can have, the first before the others, with all that is ``given``.

        ``given`` are pins that have a version already: path to name and version. With ``all_move`` none is chosen
        next to which another one could not move.

        Raises:
            ToolFailed: some question had no answer.
        """
        for unit in units:
            if (name := market.silent(unit)) is not None:
                raise ToolFailed(
                    f"which releases of {name} there are is not known",
                    hint="run it without --offline"
                    if self.offline
                    else "is the index there? name the version: NAME==VERSION",
                )
        options = {unit.name: market.choices(unit) for unit in units}
        fixed = dict(given)
        picks: list[Pick] = []
        for position, unit in enumerate(units):
            later = units[position + 1 :]
            rest = {path: line for u in later for path, line in _between(u, options[u.name], all_move=all_move)}
            pick = self._pick(unit, options[unit.name], fixed, rest)
            picks.append(pick)
            chosen = pick.choice
            fixed |= {
                seat.pin.path: (seat.name, chosen.of(seat) if chosen is not None else str(seat.version))
                for seat in unit.seats
            }
        return picks

    def _pick(
        self,
        unit: PinGroup,
        options: Sequence[Choice],
        fixed: GivenVersions,
        rest: Rest,
    ) -> Pick:
        """The newest of ``options`` that fits. Releases with an unknown answer are skipped, a few times."""
        high, reason, unknown = len(options) - 1, "", 0
        while high >= 0:
            refusal = self._refusal(unit, options[high], fixed, rest)
            if refusal is None:
                return Pick(unit, options[high], options[-1], reason)
            variant, verdict = refusal
            if verdict.answer is Answer.UNKNOWN:
                unknown += 1
                reason = reason or f"nobody can tell: {_first(verdict.reason)}"
                high -= 1
                if unknown == _PATIENCE or high < 0:
                    raise self._unanswered(variant, unit, verdict)
                continue
            reason = reason or self._why(variant, unit, options[high], fixed, rest, verdict)
            high = self._below(variant, unit, options[:high], fixed, rest)
        if unknown:
            raise ToolFailed(f"which {unit.name} fits is not known", reason=reason)
        return Pick(unit, None, options[-1] if options else None, reason)

    def _refusal(self, unit: PinGroup, choice: Choice, fixed: GivenVersions, rest: Rest) -> tuple[str, Verdict] | None:
        """The first variant that cannot have ``choice``, and what it says; None where all can."""
        for variant in unit.variants:
            lines = {seat.pin.path: f"{seat.name}=={choice.of(seat)}" for seat in unit.seats}
            verdict = self._ask(self._with(variant, fixed, rest, lines))
            if verdict.answer is not Answer.YES:
                return variant, verdict
        return None

    def _below(self, variant: str, unit: PinGroup, options: Sequence[Choice], fixed: GivenVersions, rest: Rest) -> int:
        """The position in ``options`` of the newest that ``variant`` can have; -1 where it can have none."""
        if unit.name in FAMILY or any(Version(text).local for choice in options for _, text in choice.versions):
            return len(options) - 1  # one by one
        best, order = -1, [choice.version for choice in options]
        while best < len(options) - 1:
            bound = f"{unit.name}>={order[best + 1]},<={order[-1]}"
            lines = {seat.pin.path: bound for seat in unit.seats}
            verdict = self._ask(self._with(variant, fixed, rest, lines))
            if verdict.answer is Answer.NO:
                break
            found = verdict.versions.get(unit.name)
            if found is None or public(Version(found)) not in order:
                return len(options) - 1
            best = order.index(public(Version(found)))
        return best

    def _with(self, variant: str, fixed: GivenVersions, rest: Rest, lines: Mapping[KeyPath, str]) -> Request:
        """The family with ``fixed``, ``rest`` and ``lines`` for the pins at their paths."""
        said = {path: f"{name}=={version}" for path, (name, version) in fixed.items()} | dict(rest) | dict(lines)
        return self._request(variant, said.keys(), said.items())

    def _request(self, variant: str, freed: Collection[KeyPath], lines: Iterable[tuple[KeyPath, str]] = ()) -> Request:
        solve = self.solves[variant]
        mine = {element.path for element in solve.all if element.kind == "pin"}
        kept = [element for element in solve.all if element.kind != "pin" or element.path not in freed]
        request = solve.request(kept, whole=True, offline=self.offline)
        bounds = {line for path, line in lines if path in mine or path[:1] == ("added",)}
        return replace(request, constraints=tuple(sorted({*request.constraints, *bounds})))

    def _ask(self, request: Request) -> Verdict:
        verdict = self.session.ask(request)
        if verdict.answer is Answer.NO and not self.settled and not self.offline:
            return self.session.ask(request, warm=True)
        return verdict

    def _unanswered(self, variant: str, unit: PinGroup, verdict: Verdict) -> ToolFailed:
        return ToolFailed(
            f"which {unit.name} the images of {variant} can have is not known",
            reason=verdict.reason or None,
            hint="run it without --offline" if self.offline else "name the version: NAME==VERSION",
        )

    def _why(
        self, variant: str, unit: PinGroup, choice: Choice, fixed: GivenVersions, rest: Rest, verdict: Verdict
    ) -> str:
        """One line: the need that stands in the way."""
        paths = {seat.pin.path for seat in unit.seats}
        moved = dict(rest) | {path: f"{name}=={version}" for path, (name, version) in fixed.items()}
        moved |= {seat.pin.path: f"{seat.name}=={choice.of(seat)}" for seat in unit.seats}
        solve = self.solves[variant]
        elements: list[Constraint] = []
        for element in solve.all:
            text = moved.get(element.path, element.text) if element.kind == "pin" else element.text
            elements.append(replace(element, text=text))
        ours = [element for element in elements if element.path in paths or element.name in named_in(verdict.reason)]
        return short_reason(ours, verdict.reason)


def _between(unit: PinGroup, options: Sequence[Choice], *, all_move: bool) -> Iterable[tuple[KeyPath, str]]:
    """The bounds of what ``unit`` could become: from its own version on, with ``all_move`` from the next one on."""
    for seat in unit.seats:
        versions = [public(Version(choice.of(seat))) for choice in options]
        if not all_move:
            versions.append(public(seat.version))
        low, high = min(versions, default=seat.version), max(versions, default=seat.version)
        bound = f"=={seat.version}" if not options else f"=={low}" if low == high else f">={low},<={high}"
        yield seat.pin.path, f"{seat.name}{bound}"


def _first(reason: str) -> str:
    """The first line of a resolver's words."""
    lines = reason.strip().splitlines()
    return lines[0] if lines else "the resolver said nothing"
