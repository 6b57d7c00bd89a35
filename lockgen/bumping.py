"""The newest versions that a family can have of some pins, all else as it is: a resolver is asked.

The newest release is asked for first; where it does not fit, for anything below it (uv takes the highest in a range),
and then for anything above what that found: so hundreds of releases cost a handful of questions. torch's family is
asked for release by release, as each has partners of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from lockgen.asking import Session
from lockgen.errors import ToolFailed
from lockgen.model.accelerator import FAMILY
from lockgen.model.bumps import Choice, Path, Unit, public
from lockgen.model.compat import Pairs
from lockgen.model.conflicts import Answer, Element, Verdict
from lockgen.model.manifest import Manifest
from lockgen.planning.elements import Elements, named_in
from lockgen.planning.reasons import short_reason
from lockgen.planning.solve import order_of_variants
from lockgen.planning.units import Listed, Market
from lockgen.ports import ExplicitIndex, Releases, Request


@dataclass(frozen=True)
class Pick:
    """What a unit can become. ``choice`` is None where nothing newer fits; ``newest`` is what was hoped for.

    ``reason``: why the newest does not fit, in one line; "" where it does.
    """

    unit: Unit
    choice: Choice | None
    newest: Choice | None = None
    reason: str = ""


@dataclass
class Chooser:
    """Questions about one family. ``accelerators`` are those that variants are moved to."""

    session: Session
    manifest: Manifest
    indexes: Mapping[str, ExplicitIndex]
    releases: Releases
    pairs: Pairs
    offline: bool = False
    accelerators: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variants = order_of_variants(self.manifest)
        self.solves = {name: Elements(self.manifest, [name], self.indexes) for name in self.variants}

    def warm(self, variants: Iterable[str] = ()) -> None:
        """Asks for the family as it is with the network: what the cache holds of an index may be of last week."""
        for variant in variants or self.variants:
            if not self.offline:
                self.session.ask(self._request(variant, ()), warm=True)

    def market(self, units: Collection[Unit]) -> Market:
        """What the indexes offer for ``units``."""
        listed: dict[tuple[str, str], Sequence[Version]] = {}
        routed: set[tuple[str, str]] = set()
        for seat in (seat for unit in units for seat in unit.seats):
            for variant in seat.variants or self.variants[:1]:
                request = self._request(variant, ())
                listed[seat.name, variant] = [Version(text) for text in self.releases.usable(seat.name, request)]
                if seat.name in request.routes:
                    routed.add((seat.name, variant))
        amd64 = self.manifest.target.platform == "linux/amd64"
        return Market(_known(listed), self.pairs, routed, self.accelerators, amd64)

    def newest(self, units: Sequence[Unit], market: Market, given: Mapping[Path, tuple[str, str]]) -> list[Pick]:
        """The newest that each of ``units`` can have, the first before the others, with all that is ``given``.

        ``given`` are pins that have a version already: path to name and version.

        Raises:
            ToolFailed: some question had no answer.
        """
        options = {unit.name: market.choices(unit) for unit in units}
        fixed = dict(given)
        picks: list[Pick] = []
        for position, unit in enumerate(units):
            rest = {other.name: (other, options[other.name]) for other in units[position + 1 :]}
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
        unit: Unit,
        options: Sequence[Choice],
        fixed: Mapping[Path, tuple[str, str]],
        rest: Mapping[str, tuple[Unit, Sequence[Choice]]],
    ) -> Pick:
        if not options:
            return Pick(unit, None)
        high, reason = len(options) - 1, ""
        while high >= 0:
            refusal = self._refusal(unit, options[high], fixed, rest)
            if refusal is None:
                return Pick(unit, options[high], options[-1], reason)
            variant, verdict = refusal
            reason = reason or self._why(variant, unit, options[high], fixed, verdict)
            high = self._below(variant, unit, options[:high], fixed, rest)
        return Pick(unit, None, options[-1], reason)

    def _refusal(
        self,
        unit: Unit,
        choice: Choice,
        fixed: Mapping[Path, tuple[str, str]],
        rest: Mapping[str, tuple[Unit, Sequence[Choice]]],
    ) -> tuple[str, Verdict] | None:
        """The first variant that cannot have ``choice``, and what it says; None where all can."""
        for variant in unit.variants:
            lines = {seat.pin.path: f"{seat.name}=={choice.of(seat)}" for seat in unit.seats}
            verdict = self._ask(variant, self._with(variant, fixed, rest, lines), unit)
            if verdict.answer is Answer.NO:
                return variant, verdict
        return None

    def _below(
        self,
        variant: str,
        unit: Unit,
        options: Sequence[Choice],
        fixed: Mapping[Path, tuple[str, str]],
        rest: Mapping[str, tuple[Unit, Sequence[Choice]]],
    ) -> int:
        """The position in ``options`` of the newest that ``variant`` can have; -1 where it can have none."""
        if unit.name in FAMILY or any(Version(text).local for choice in options for _, text in choice.versions):
            return len(options) - 1  # one by one
        best, order = -1, [choice.version for choice in options]
        while best < len(options) - 1:
            bound = f"{unit.name}>={order[best + 1]},<={order[-1]}"
            lines = {seat.pin.path: bound for seat in unit.seats}
            verdict = self._ask(variant, self._with(variant, fixed, rest, lines), unit)
            if verdict.answer is Answer.NO:
                break
            found = verdict.versions.get(unit.name)
            if found is None or public(Version(found)) not in order:
                return len(options) - 1
            best = order.index(public(Version(found)))
        return best

    def _with(
        self,
        variant: str,
        fixed: Mapping[Path, tuple[str, str]],
        rest: Mapping[str, tuple[Unit, Sequence[Choice]]],
        lines: Mapping[Path, str],
    ) -> Request:
        """The family with ``fixed`` and ``lines`` for the pins at their paths, and ``rest`` between old and newest."""
        said = {path: f"{name}=={version}" for path, (name, version) in fixed.items()} | dict(lines)
        for unit, options in rest.values():
            for seat in unit.seats:
                versions = [public(seat.version), *(public(Version(choice.of(seat))) for choice in options)]
                bound = f"=={seat.version}" if not options else f">={min(versions)},<={max(versions)}"
                said[seat.pin.path] = f"{seat.name}{bound}"
        return self._request(variant, said.keys(), said.items())

    def _request(self, variant: str, freed: Collection[Path], lines: Iterable[tuple[Path, str]] = ()) -> Request:
        solve = self.solves[variant]
        mine = {element.path for element in solve.all if element.kind == "pin"}
        kept = [element for element in solve.all if element.kind != "pin" or element.path not in freed]
        request = solve.request(kept, whole=True, offline=self.offline)
        bounds = {line for path, line in lines if path in mine or path[:1] == ("added",)}
        return replace(request, constraints=tuple(sorted({*request.constraints, *bounds})))

    def _ask(self, variant: str, request: Request, unit: Unit) -> Verdict:
        verdict = self.session.ask(request)
        if verdict.answer is Answer.UNKNOWN:
            raise ToolFailed(
                f"which {unit.name} the images of {variant} can have is not known",
                reason=verdict.reason or None,
                hint="run it without --offline" if self.offline else "name the version: NAME==VERSION",
            )
        return verdict

    def _why(
        self, variant: str, unit: Unit, choice: Choice, fixed: Mapping[Path, tuple[str, str]], verdict: Verdict
    ) -> str:
        """One line: the need that stands in the way."""
        paths = {seat.pin.path for seat in unit.seats}
        moved = {path: f"{name}=={version}" for path, (name, version) in fixed.items()}
        moved |= {seat.pin.path: f"{seat.name}=={choice.of(seat)}" for seat in unit.seats}
        solve = self.solves[variant]
        elements: list[Element] = []
        for element in solve.all:
            text = moved.get(element.path, element.text) if element.kind == "pin" else element.text
            elements.append(replace(element, text=text))
        ours = [element for element in elements if element.path in paths or element.name in named_in(verdict.reason)]
        return short_reason(ours, verdict.reason)


def _known(listed: Listed) -> Listed:
    return {key: sorted(versions) for key, versions in listed.items()}
