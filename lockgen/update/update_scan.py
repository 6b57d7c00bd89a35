"""What `lockgen update` finds due on the base branch: releases, first sights, vulnerabilities, base images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from lockgen.app import App
from lockgen.audit.advisory_model import Advisory
from lockgen.audit.model import AuditFinding
from lockgen.audit.osv_client import API
from lockgen.audit.service import AdvisoryOptions, Auditor
from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.layout import LOCK_PATH, SEEN_PATH
from lockgen.core.lock import Lock
from lockgen.core.update_policy import SEEN_BRANCH, GroupPolicy
from lockgen.errors import BadInput, Fault, LockgenError, Place, ToolFailed
from lockgen.index.first_seen_reader import parse_seen
from lockgen.index.first_seen_writer import render_seen
from lockgen.index.model import Published
from lockgen.index.published import Uploads
from lockgen.index.sources import explicit_indexes
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.registry.base_images import by_reference, digest_of, offer
from lockgen.registry.model import Offer
from lockgen.update import base_image_updates as baseimages
from lockgen.update import plan as planning
from lockgen.update.clone import Clone
from lockgen.update.commit_message import made_of
from lockgen.update.model import BaseCandidate, KnownVulnerability, UnavailableSources, UpdateGroup, Waiting


@dataclass(frozen=True)
class UpdateScanOptions:
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


class UpdateScan:
    """One look at the base branch, checked out in the app's folder.

    ``releases`` are those of what may move, by its key; ``findings`` the vulnerabilities that count; ``sights`` is the
    new record of first sights, None where nothing waits; ``blind`` is what nobody could say, and ``faults`` why, where
    that was no registry and not OSV.
    """

    def __init__(self, clone: Clone, app: App, options: UpdateScanOptions) -> None:
        self.clone, self.options = clone, options
        self.progress, self.folder, self.http = app.progress, app.folder, app.http
        self.inputs: Inputs = read_inputs(self.folder)
        self.lock = self._locked()
        self.uploads = Uploads(self.http, self.inputs.manifest)
        self.sights: str | None = None
        self.blind = UnavailableSources(weaknesses=options.no_audit)
        self.faults: list[Fault] = []
        self.findings: tuple[AuditFinding, ...] = ()
        self._movable = tuple(planning.movable(self.inputs.manifest).values())
        self._unread: set[str] = set()
        asking = AdvisoryOptions(options.database, options.api, options.no_cache)
        self.auditor = Auditor(asking, app.progress)
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

    def groups(self) -> tuple[list[UpdateGroup], list[Waiting]]:
        """The groups with something to move, and what the policy holds back; ``blind`` is what nobody could say."""
        manifest = self.inputs.manifest
        weaknesses = self._weaknesses()
        self.progress.step("reading the releases of what is pinned")
        market = planning.AvailableReleases(
            self._published(weaknesses),
            self._seen(),
            weaknesses,
            {package.name: Version(package.version) for package in self.lock.packages},
            now(),
            None if manifest.update.move_cut_off else manifest.exclude_newer,
        )
        self.releases = market.published
        offers = self._offers()
        bases, held_back = self._bases(offers, market)
        kept = {name: market.seen[name] for name in self._unread if name in market.seen}
        sights = {
            **planning.unseen(market, manifest),
            **baseimages.unseen(offers, market.seen, market.now),
            **kept,
        }
        if manifest.update.waits and (sights or market.seen):
            self.sights = render_seen(sights)
        groups, waiting = planning.due(manifest, manifest.update, market, bases)
        return groups, [*waiting, *held_back]

    # -- base images -----------------------------------------------------------

    def _offers(self) -> list[Offer]:
        """What each base image could become; one whose registry does not answer is told, and stays as it is."""
        manifest, found = self.inputs.manifest, []
        if not manifest.update.base_images:
            return []
        for text, variants in by_reference(manifest).items():
            reference = parse_reference(text)
            try:
                found.append(offer(self.http, reference, manifest, variants))
            except LockgenError as error:
                self._no_image(reference, error)
        return found

    def _bases(
        self, offers: Sequence[Offer], market: planning.AvailableReleases
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
                self._no_image(one.reference, error)
                continue
            due += [candidate] if candidate is not None else []
            waiting += held_back
        return baseimages.grouped(policy, due), waiting

    def _no_image(self, reference: ImageReference, error: LockgenError) -> None:
        group = baseimages.group_of(self.inputs.manifest.update, reference.name)
        said = f"nothing is known of the base image {reference.name}: {error}"
        self._unseeing(group, baseimages.seen_as(reference), said)

    def _unseeing(self, group: GroupPolicy, name: str, why: str) -> None:
        """No branch is closed, and no first sight forgotten, because somebody did not answer.

        ``name`` is as the record of first sights has it.
        """
        own = {f"{group.name}{end}" for one in self._movable if one.unit.name == name for end in ("", one.suffix)}
        self.blind = replace(self.blind, groups=self.blind.groups | own | {group.name})
        self._unread.add(name)
        self.progress.note(f"{why}; so it stays as it is")

    def _published(self, weaknesses: Mapping[str, object]) -> dict[str, tuple[Published, ...]]:
        manifest = self.inputs.manifest
        indexes = explicit_indexes(
            manifest,
            self.folder,
            self.http,
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
            try:
                found[key] = self.uploads.of(name, routes)
            except ToolFailed as error:
                self.faults += error.faults
                self._unseeing(planning.group_of(manifest.update, name), name, f"no index answers for {name}: {error}")
                continue
            if routes and not found[key]:
                group = planning.group_of(manifest.update, name)
                self._unseeing(group, name, f"its index has no release of {name} that the target can use")
        return found

    def _seen(self) -> dict[str, dict[str, datetime]]:
        """What earlier runs saw first, from the branch that keeps it."""
        name = self.inputs.manifest.update.prefix + SEEN_BRANCH
        head = self.clone.heads(name).get(name)
        if head is None:
            data = self.folder.read(SEEN_PATH)
        else:
            made = made_of(head)  # the project may have moved to another folder since
            data = self.clone.read(head.commit, SEEN_PATH)
            data = data or self.clone.read(head.commit, SEEN_PATH, made.project if made is not None else None)
        return parse_seen(data, f"{name}:{SEEN_PATH}") if data is not None else {}

    def write_sights(self, folder: str) -> None:
        """Writes the record of first sights into a fresh folder."""
        Folder(folder).replace({SEEN_PATH: (self.sights or render_seen({})).encode()})

    def _weaknesses(self) -> dict[str, list[KnownVulnerability]]:
        """Known vulnerabilities by package; none where nobody can be asked, and that is said."""
        if self.options.no_audit:
            return {}
        try:
            found, records = self.auditor.audit(self.inputs, self.lock)
        except ToolFailed as error:
            self.progress.note(f"nothing is known of vulnerabilities, so none goes before the others: {error}")
            self.blind = replace(self.blind, weaknesses=True)
            return {}
        self.findings = found.open
        weaknesses: dict[str, list[KnownVulnerability]] = {}
        for finding in found.open:
            weakness = weakness_of(finding, records.get(finding.package.name, ()))
            known = weaknesses.setdefault(finding.package.name, [])
            if weakness not in known:
                known.append(weakness)
        return weaknesses


def weakness_of(finding: AuditFinding, records: Iterable[Advisory] = ()) -> KnownVulnerability:
    """A finding as updates know it; of ``records``, those that speak of it."""
    about = finding.vulnerability
    ids = set(about.ids)
    return KnownVulnerability(
        finding.package.name,
        about.id,
        tuple(Version(fixed) for fixed in about.fixed),
        f"https://osv.dev/vulnerability/{about.record}",
        Version(Version(finding.package.version).public),
        about.level,
        about.summary,
        tuple(record for record in records if ids & {record.id, *record.aliases}),
    )


def now() -> datetime:
    """The moment to which cooldowns are measured."""
    return datetime.now(UTC)
