"""What `lockgen update` finds due on the base branch: releases, first sights, vulnerabilities, base images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from lockgen.adapters.clone import Clone
from lockgen.adapters.http import Http
from lockgen.adapters.osv import API
from lockgen.adapters.published import Uploads
from lockgen.adapters.workspace import Folder
from lockgen.commands import audit
from lockgen.commands.baseimages import by_reference, digest_of, offer
from lockgen.commands.inputs import Inputs, read_inputs
from lockgen.commands.sources import explicit_indexes
from lockgen.errors import BadInput, LockgenError, Place, ToolFailed
from lockgen.model.lock import Lock
from lockgen.model.policy import SEEN_BRANCH
from lockgen.model.references import parse_reference
from lockgen.model.update import SEEN_PATH, BaseCandidate, Blind, Group, Published, Waiting, Weakness
from lockgen.parsing.lock import parse_lock
from lockgen.parsing.seen import parse_seen
from lockgen.planning import baseimages
from lockgen.planning import updates as planning
from lockgen.ports import Progress
from lockgen.rendering.lock import LOCK_PATH
from lockgen.rendering.seen import render_seen


@dataclass(frozen=True)
class Options:
    """What the command line says. ``remote`` is a name that git knows, or "." for the clone itself.

    ``dry_run`` shows everything and changes nothing; ``no_forge`` makes the branches only. ``database`` is a dump of
    OSV that is read instead of asking its ``api``; with ``no_audit`` nobody is asked about vulnerabilities.
    """

    remote: str = "origin"
    dry_run: bool = False
    no_forge: bool = False
    no_audit: bool = False
    database: Path | None = None
    api: str = API
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


class Due:
    """One look at the base branch, checked out at ``base``.

    ``releases`` are those of what may move, by its key; ``sights`` is the new record of first sights, None where
    nothing waits; ``blind`` is what nobody could say.
    """

    def __init__(self, clone: Clone, base: Path, options: Options, progress: Progress) -> None:
        self.clone, self.options, self.progress = clone, options, progress
        self.folder = Folder(base, progress)
        self.inputs: Inputs = read_inputs(self.folder)
        self.lock = self._locked()
        self.http = Http()
        self.uploads = Uploads(self.http, self.inputs.manifest)
        self.sights: str | None = None
        self.blind = Blind()
        self.releases: Mapping[str, Sequence[Published]] = {}

    def _locked(self) -> Lock:
        data = self.folder.read(LOCK_PATH)
        if data is None:
            raise BadInput(
                f"{self.clone.base_name} has no lock yet",
                place=Place(LOCK_PATH),
                hint="run `lockgen resolve`, and commit what it writes",
            )
        return parse_lock(data, LOCK_PATH)

    def groups(self) -> tuple[list[Group], list[Waiting]]:
        """The groups with something to move, and what the policy holds back; ``blind`` is what nobody could say."""
        manifest = self.inputs.manifest
        weaknesses = self._weaknesses()
        self.progress.step("reading the releases of what is pinned")
        market = planning.Market(
            self._published(weaknesses),
            self._seen(),
            weaknesses,
            {package.name: Version(package.version) for package in self.lock.packages},
            now(),
            None if manifest.update.move_cut_off else manifest.exclude_newer,
        )
        self.releases = market.published
        offers = self._offers()
        sights = {**planning.unseen(market, manifest), **baseimages.unseen(offers, market.seen, market.now)}
        if manifest.update.waits and (sights or market.seen):
            self.sights = render_seen(sights)
        bases, held_back = self._bases(offers, market)
        groups, waiting = planning.due(manifest, manifest.update, market, bases)
        return groups, [*waiting, *held_back]

    # -- base images -----------------------------------------------------------

    def _offers(self) -> list[baseimages.Offer]:
        """What each base image could become; one whose registry does not answer is told, and stays as it is."""
        manifest, found = self.inputs.manifest, []
        if not manifest.update.base_images:
            return []
        for text, variants in by_reference(manifest).items():
            reference = parse_reference(text)
            try:
                found.append(offer(self.http, reference, manifest, variants))
            except LockgenError as error:
                self._unseeing(reference.name, error)
        return found

    def _bases(
        self, offers: Sequence[baseimages.Offer], market: planning.Market
    ) -> tuple[planning.Bases, list[Waiting]]:
        """The base images that are due, by group, and what the policy holds back."""
        policy = self.inputs.manifest.update
        rules = baseimages.Rules(policy, market.seen, market.now, lambda wanted: digest_of(self.http, wanted))
        due: list[BaseCandidate] = []
        waiting: list[Waiting] = []
        for one in offers:
            try:
                candidate, held_back = baseimages.due(one, rules)
            except LockgenError as error:
                self._unseeing(one.reference.name, error)
                continue
            due += [candidate] if candidate is not None else []
            waiting += held_back
        return baseimages.grouped(policy, due), waiting

    def _unseeing(self, name: str, error: LockgenError) -> None:
        """No branch is closed because a registry did not answer."""
        group = baseimages.group_of(self.inputs.manifest.update, name)
        self.blind = replace(self.blind, groups=self.blind.groups | {group.name})
        self.progress.note(f"nothing is known of the base image {name}, so it stays: {error}")

    def _published(self, weaknesses: Mapping[str, object]) -> dict[str, tuple[Published, ...]]:
        manifest = self.inputs.manifest
        indexes = explicit_indexes(
            manifest,
            self.folder,
            Http(),
            self.progress,
            live=self.options.live,
            offline=False,
            targets=[manifest.target],
        )
        wanted = {key: (one.unit.name, one.unit.variants) for key, one in planning.movable(manifest).items()}
        for package in self.lock.packages:
            if package.name in weaknesses:
                wanted.setdefault(package.name, (package.name, package.variants))
        found = {}
        for key, (name, variants) in sorted(wanted.items()):
            named = {manifest.index_of(name, variant) for variant in variants}
            routes = [indexes[index.name] if index is not None else None for index in named]
            found[key] = self.uploads.of(name, routes)
        return found

    def _seen(self) -> dict[str, dict[str, datetime]]:
        """What earlier runs saw first, from the branch that keeps it."""
        name = self.inputs.manifest.update.prefix + SEEN_BRANCH
        head = self.clone.heads(name).get(name)
        data = self.clone.read(head.commit, SEEN_PATH) if head is not None else self.folder.read(SEEN_PATH)
        return parse_seen(data, f"{name}:{SEEN_PATH}") if data is not None else {}

    def write_sights(self, folder: str) -> None:
        """Writes the record of first sights into a fresh folder."""
        Folder(folder).replace({SEEN_PATH: (self.sights or render_seen({})).encode()})

    def _weaknesses(self) -> dict[str, list[Weakness]]:
        """Known vulnerabilities by package; none where nobody can be asked, and that is said."""
        if self.options.no_audit:
            self.blind = replace(self.blind, weaknesses=True)
            return {}
        asking = audit.Options(database=self.options.database, api=self.options.api, no_cache=self.options.no_cache)
        try:
            found = audit.known(self.inputs, self.lock, asking, self.progress)
        except ToolFailed as error:
            self.progress.note(f"nothing is known of vulnerabilities, so none goes before the others: {error}")
            self.blind = replace(self.blind, weaknesses=True)
            return {}
        weaknesses: dict[str, list[Weakness]] = {}
        for finding in found.open:
            vulnerability = finding.vulnerability
            weakness = Weakness(
                finding.holder.name,
                vulnerability.id,
                tuple(Version(fixed) for fixed in vulnerability.fixed),
                f"https://osv.dev/vulnerability/{vulnerability.record}",
                Version(Version(finding.holder.version).public),
                vulnerability.level,
                vulnerability.summary,
            )
            known = weaknesses.setdefault(finding.holder.name, [])
            if weakness not in known:
                known.append(weakness)
        return weaknesses


def now() -> datetime:
    """The moment to which cooldowns are measured."""
    return datetime.now(UTC)
