"""Find the latest compatible versions of some pins, with everything else unchanged, by calling a resolver.

The first request is for the latest release. If that does not fit, the next one is for any lower release (uv takes the
highest in a range), and the next for any release above the one found. So a few requests cover hundreds of releases.
torch's family is tried release by release, as each release has its own partners.
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
from lockgen.core.parsing import parse_version
from lockgen.core.resolution import Request
from lockgen.errors import ToolFailed
from lockgen.index.ports import Releases
from lockgen.lock.requests import order_of_variants
from lockgen.upgrade.bump_model import Choice, PinGroup, PinSite, public
from lockgen.upgrade.pin_groups import AvailableVersions

_MAX_UNKNOWN = 3
"""How many releases with an unknown answer (they do not build, the index is slow) are skipped."""

ChosenPins = Mapping[KeyPath, tuple[str, str]]
"""Pins whose version is chosen: path to name and version."""


@dataclass(frozen=True)
class Pick:
    """The version found for a group. ``choice`` is None if no newer one fits; ``newest`` is the latest allowed one.

    ``reason`` says in one line why the latest does not fit; "" if it does.
    """

    group: PinGroup
    choice: Choice | None
    newest: Choice | None = None
    reason: str = ""

    def version_of(self, site: PinSite) -> str:
        """The version of the pin at ``site``: the chosen one, else the current one."""
        return self.choice.of(site) if self.choice is not None else str(site.version)


@dataclass(frozen=True)
class _PinState:
    """The other pins while one group is searched: those already ``chosen``, and ``ranges`` for those still open.

    Both are by path; a range is a constraint such as "numpy>=1.0,<=2.0".
    """

    chosen: ChosenPins
    ranges: Mapping[KeyPath, str]

    def constraints(self) -> dict[KeyPath, str]:
        found = dict(self.ranges)
        for path, (name, version) in self.chosen.items():
            found[path] = f"{name}=={version}"
        return found


@dataclass
class BumpSearch:
    """The search in one family. ``accelerators`` are the new ones, by variant.

    ``settled``: the cut-off is in the past, so no new release can appear. Otherwise a cached "no" may be outdated, and
    is verified with the index.
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
        self.constraints = {name: Constraints(self.manifest, [name], self.indexes) for name in self.variants}

    def warm(self) -> list[Verdict]:
        """The verdict on the current pins, for each variant.

        Uses the network unless offline: the index pages in the resolver's cache may be outdated.
        """
        return [self.session.ask(self.request(variant), warm=not self.offline) for variant in self.variants]

    def request(self, variant: str) -> Request:
        """The request for the current pins."""
        return self._request(variant, {})

    def available(self, groups: Collection[PinGroup]) -> AvailableVersions:
        """The versions that the indexes have for ``groups``."""
        # A pin that applies nowhere is looked up as for the first variant.
        keys: dict[tuple[str, str], None] = {}
        for group in groups:
            for site in group.sites:
                for variant in site.variants or self.variants[:1]:
                    keys[site.name, variant] = None
        listed: dict[tuple[str, str], Sequence[Version]] = {}
        routed: set[tuple[str, str]] = set()
        for name, variant in keys:
            request = self.request(variant)
            usable = self.releases.usable(name, request)
            listed[name, variant] = [parse_version(text) for text in usable]
            if name in request.routes:
                routed.add((name, variant))
        # The pair table has the accelerators of this platform's builds only.
        amd64 = self.manifest.target.platform == "linux/amd64"
        return AvailableVersions(listed, self.pairs, routed, self.accelerators, amd64)

    def newest(
        self, groups: Sequence[PinGroup], available: AvailableVersions, given: ChosenPins, *, all_move: bool = False
    ) -> list[Pick]:
        """The latest compatible version of each of ``groups``, earlier groups first, next to the pins in ``given``.

        With ``all_move`` no version is chosen that would prevent another group from changing.

        Raises:
            ToolFailed: a request could not be answered.
        """
        for group in groups:
            self._check_known(group, available)
        options = {group.name: available.choices(group) for group in groups}
        chosen = dict(given)
        picks: list[Pick] = []
        for position, group in enumerate(groups, 1):
            ranges: dict[KeyPath, str] = {}
            for later in groups[position:]:
                ranges.update(_ranges(later, options[later.name], all_move=all_move))
            # Later groups are not fixed yet, but must keep at least one version.
            pick = self._pick(group, options[group.name], _PinState(chosen, ranges))
            picks.append(pick)
            for site in group.sites:
                chosen[site.pin.path] = (site.name, pick.version_of(site))
        return picks

    def _check_known(self, group: PinGroup, available: AvailableVersions) -> None:
        name = available.package_without_releases(group)
        if name is None:
            return
        hint = "check that the index can be reached, or name the version: NAME==VERSION"
        if self.offline:
            hint = "run it without --offline"
        raise ToolFailed(f"the releases of {name} are unknown", hint=hint)

    def _pick(self, group: PinGroup, options: Sequence[Choice], state: _PinState) -> Pick:
        """The latest of ``options`` that fits. A few releases with an unknown answer are skipped."""
        reason = ""
        unknown = 0
        high = len(options) - 1
        while high >= 0:
            choice = options[high]
            refusal = self._refusal(group, choice, state)
            if refusal is None:
                return Pick(group, choice, options[-1], reason)
            variant, verdict = refusal
            if verdict.answer is Answer.UNKNOWN:
                # Each costs a timeout or a failed build, so only a few are skipped.
                unknown += 1
                reason = reason or f"it is unknown whether it is compatible: {_first_line(verdict.reason)}"
                high -= 1
                if unknown == _MAX_UNKNOWN or high < 0:
                    raise self._unanswered(variant, group, verdict)
                continue
            reason = reason or self._why(variant, group, choice, state, verdict)
            high = self._below(variant, group, options[:high], state)
        if unknown:
            # "Nothing newer fits" would be a guess.
            raise ToolFailed(f"the latest compatible {group.name} is unknown", reason=reason)
        return Pick(group, None, options[-1] if options else None, reason)

    def _refusal(self, group: PinGroup, choice: Choice, state: _PinState) -> tuple[str, Verdict] | None:
        """The first variant that ``choice`` does not fit, with its verdict; None if it fits all."""
        pins = _pins(group, choice)
        for variant in group.variants:
            verdict = self._ask(self._request(variant, state.constraints() | pins))
            if verdict.answer is not Answer.YES:
                return variant, verdict
        return None

    def _below(self, variant: str, group: PinGroup, options: Sequence[Choice], state: _PinState) -> int:
        """The position in ``options`` of the latest that may fit ``variant``; -1 if none does."""
        last = len(options) - 1
        if group.name in FAMILY or _has_local(options):
            # One by one: a range would also match other builds, and says nothing about partners.
            return last
        order = [choice.version for choice in options]
        best = -1
        while best < last:
            bound = f"{group.name}>={order[best + 1]},<={order[-1]}"
            ranges = {site.pin.path: bound for site in group.sites}
            verdict = self._ask(self._request(variant, state.constraints() | ranges))
            if verdict.answer is Answer.NO:
                break
            found = verdict.versions.get(group.name)
            if found is None or public(parse_version(found)) not in order:
                # The resolver took a release that is not a choice: the range says nothing, so try one by one.
                return last
            best = order.index(public(parse_version(found)))
        return best

    def _request(self, variant: str, replaced: Mapping[KeyPath, str]) -> Request:
        """The family with the constraints ``replaced``, by path, in place of its pins."""
        constraints = self.constraints[variant]
        own_pins: set[KeyPath] = set()
        kept: list[Constraint] = []
        for constraint in constraints.all:
            if constraint.kind == "pin":
                own_pins.add(constraint.path)
                if constraint.path in replaced:
                    continue
            kept.append(constraint)
        request = constraints.request(kept, whole=True, offline=self.offline)
        lines = set(request.constraints)
        for path, line in replaced.items():
            # The pins of other variants do not apply here; pins that a bump adds apply everywhere.
            if path in own_pins or path[:1] == ("added",):
                lines.add(line)
        return replace(request, constraints=tuple(sorted(lines)))

    def _ask(self, request: Request) -> Verdict:
        verdict = self.session.ask(request)
        if verdict.answer is Answer.NO and not self.settled and not self.offline:
            # Without a cut-off a release may have appeared since the pages were cached.
            return self.session.ask(request, warm=True)
        return verdict

    def _unanswered(self, variant: str, group: PinGroup, verdict: Verdict) -> ToolFailed:
        return ToolFailed(
            f"the latest compatible {group.name} is unknown for the images of {variant}",
            reason=verdict.reason or None,
            hint="run it without --offline" if self.offline else "name the version: NAME==VERSION",
        )

    def _why(self, variant: str, group: PinGroup, choice: Choice, state: _PinState, verdict: Verdict) -> str:
        """Why ``choice`` does not fit, in one line: the requirement that excludes it."""
        own = _pins(group, choice)
        replaced = state.constraints() | own
        mentioned = named_in(verdict.reason)
        involved: list[Constraint] = []
        for constraint in self.constraints[variant].all:
            if constraint.path not in own and constraint.name not in mentioned:
                continue
            if constraint.kind == "pin":
                # The reason is about the requested versions, not about those in the file.
                text = replaced.get(constraint.path, constraint.text)
                involved.append(replace(constraint, text=text))
            else:
                involved.append(constraint)
        return short_reason(involved, verdict.reason)


def _pins(group: PinGroup, choice: Choice) -> dict[KeyPath, str]:
    """The pins of ``group`` at the versions of ``choice``, as constraints by path."""
    return {site.pin.path: f"{site.name}=={choice.of(site)}" for site in group.sites}


def _has_local(options: Iterable[Choice]) -> bool:
    """Whether any version has a local part."""
    for choice in options:
        for _, text in choice.versions:
            if parse_version(text).local:
                return True
    return False


def _ranges(group: PinGroup, options: Sequence[Choice], *, all_move: bool) -> Iterable[tuple[KeyPath, str]]:
    """The range of versions that each pin of ``group`` may get.

    It starts at the current version, with ``all_move`` at the next one.
    """
    for site in group.sites:
        yield site.pin.path, f"{site.name}{_range(site, options, all_move=all_move)}"


def _range(site: PinSite, options: Sequence[Choice], *, all_move: bool) -> str:
    if not options:
        return f"=={site.version}"
    versions = [public(parse_version(choice.of(site))) for choice in options]
    if not all_move:
        versions.append(public(site.version))
    low = min(versions)
    high = max(versions)
    return f"=={low}" if low == high else f">={low},<={high}"


def _first_line(reason: str) -> str:
    """The first line of a resolver's explanation."""
    lines = reason.strip().splitlines()
    return lines[0] if lines else "the resolver gave no reason"
