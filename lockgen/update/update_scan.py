"""Find the updates of the base branch: releases, first-seen times, vulnerabilities, base images.

This module reads; `plan` and `base_image_updates` decide. A source that does not answer never fails the scan as a
whole: what depends on it stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgen.app import App
from lockgen.audit.advisory_model import Advisory
from lockgen.audit.model import AuditFinding
from lockgen.audit.osv_client import API
from lockgen.audit.service import AdvisoryOptions, Auditor
from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.layout import LOCK_PATH, SEEN_PATH
from lockgen.core.lock import Lock
from lockgen.core.parsing import parse_version
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
from lockgen.update.commit_message import read_sealed
from lockgen.update.model import BaseCandidate, KnownVulnerability, PinKey, UnavailableSources, UpdateGroup, Waiting
from lockgen.update.recorded_vulnerability import with_records


@dataclass(frozen=True)
class UpdateScanOptions:
    """The options of the command line. ``remote`` is the name of a remote of git, or "." for the clone itself.

    ``dry_run`` shows everything and changes nothing; ``no_forge`` pushes branches only. ``database`` is a dump of OSV
    to read instead of its ``api``; with ``no_audit`` no advisories are read.
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


@dataclass(frozen=True)
class ScanResult:
    """What the scan found.

    ``releases`` are those of everything that may move, by key; ``findings`` the open vulnerabilities. ``first_seen``
    is the new text of the record of first-seen times; None if no cooldown needs it. ``unavailable`` is what could not
    be read; ``faults`` are the reasons, except those of registries and of OSV, which do not fail the run.
    """

    groups: list[UpdateGroup]
    waiting: list[Waiting]
    releases: Mapping[PinKey, Sequence[Published]]
    first_seen: str | None
    unavailable: UnavailableSources
    findings: tuple[AuditFinding, ...]
    faults: tuple[Fault, ...]


class UpdateScan:
    """Reads the base branch, checked out in the app's folder, and finds its updates."""

    def __init__(self, clone: Clone, app: App, options: UpdateScanOptions) -> None:
        self.clone, self.options = clone, options
        self.progress, self.folder, self.http = app.progress, app.folder, app.http
        self.inputs: Inputs = read_inputs(self.folder)
        self.lock = self._read_lock()
        self.uploads = Uploads(self.http, self.inputs.manifest)
        sources = AdvisoryOptions(options.database, options.api, options.no_cache)
        self.auditor = Auditor(app, sources)
        self._movable = tuple(planning.movable_pins(self.inputs.manifest).values())
        # What could not be read so far.
        self._faults: list[Fault] = []
        self._unread: set[str] = set()
        self._unread_groups: set[str] = set()

    def _read_lock(self) -> Lock:
        data = self.folder.read(LOCK_PATH)
        if data is None:
            raise BadInput(
                f"{self.clone.base_name} has no lock yet",
                place=Place(LOCK_PATH),
                hint="run `lockgen resolve`, and commit the files that it writes",
            )
        return parse_lock(data, LOCK_PATH)

    def run(self) -> ScanResult:
        """Find the groups with updates."""
        manifest = self.inputs.manifest
        findings = self._findings()
        vulnerabilities = _by_package(findings or ())
        self.progress.step("reading the releases of pinned packages")
        available = planning.AvailableReleases(
            published=self._published(vulnerabilities),
            seen=self._read_first_seen(),
            vulnerabilities=vulnerabilities,
            locked={package.name: parse_version(package.version) for package in self.lock.packages},
            now=now(),
            # A cut-off that moves along hides nothing.
            cut_off=None if manifest.update.move_cut_off else manifest.exclude_newer,
        )
        offers = self._offers()
        bases, held_back = self._bases(offers, available)
        groups, waiting = planning.due_groups(manifest, manifest.update, available, bases)
        return ScanResult(
            groups=groups,
            waiting=[*waiting, *held_back],
            releases=available.published,
            first_seen=self._first_seen(available, offers),
            unavailable=UnavailableSources(frozenset(self._unread_groups), findings is None),
            findings=tuple(finding for finding, _ in findings or ()),
            faults=tuple(self._faults),
        )

    # -- what cannot be read ---------------------------------------------------

    def _mark_unread(self, group: GroupPolicy, name: str, why: str) -> None:
        """Leave the branches and first-seen times of a package alone, as its source did not answer.

        ``name`` is the name in the record of first-seen times.
        """
        self._unread_groups.add(group.name)
        for one in self._movable:
            if one.pins.name == name:
                # The pins that variants have for themselves are in groups with a suffix.
                self._unread_groups.add(f"{group.name}{one.suffix}")
        self._unread.add(name)
        self.progress.note(f"{why}; its updates are skipped")

    def _mark_image_unread(self, reference: ImageReference, error: LockgenError) -> None:
        group = baseimages.group_of(self.inputs.manifest.update, reference.name)
        why = f"cannot find updates of the base image {reference.name}: {error}"
        self._mark_unread(group, baseimages.record_name(reference), why)

    # -- base images -----------------------------------------------------------

    def _offers(self) -> list[Offer]:
        """What the registries offer for each base image; one whose registry does not answer stays as it is."""
        manifest = self.inputs.manifest
        if not manifest.update.base_images:
            return []
        found = []
        for text, variants in by_reference(manifest).items():
            reference = parse_reference(text)
            try:
                found.append(offer(self.http, reference, manifest, variants))
            except LockgenError as error:
                self._mark_image_unread(reference, error)
        return found

    def _bases(
        self, offers: Sequence[Offer], available: planning.AvailableReleases
    ) -> tuple[planning.Bases, list[Waiting]]:
        """The base images with updates, by group, and what the policy holds back."""
        policy = self.inputs.manifest.update
        rules = baseimages.BaseImageRules(
            policy, available.seen, available.now, lambda reference: digest_of(self.http, reference)
        )
        candidates: list[BaseCandidate] = []
        waiting: list[Waiting] = []
        for one in offers:
            try:
                candidate, held_back = baseimages.due_update(one, rules)
            except LockgenError as error:
                self._mark_image_unread(one.reference, error)
                continue
            waiting += held_back
            if candidate is not None:
                candidates.append(candidate)
        return baseimages.grouped(policy, candidates), waiting

    # -- releases --------------------------------------------------------------

    def _published(self, vulnerable: Collection[str]) -> dict[PinKey, tuple[Published, ...]]:
        """The releases of everything that may move: pins, and ``vulnerable`` packages that are only locked."""
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
        found = {}
        for key, variants in sorted(self._wanted(vulnerable).items()):
            named = {manifest.index_of(key.name, variant) for variant in variants}
            routes = [indexes[index.name] if index is not None else None for index in named]
            group = planning.group_of(manifest.update, key.name)
            try:
                found[key] = self.uploads.of(key.name, routes)
            except ToolFailed as error:
                self._faults += error.faults
                self._mark_unread(group, key.name, f"cannot read the releases of {key.name}: {error}")
                continue
            # An empty answer is not a proof that the releases are gone: a recorded index may be incomplete.
            if routes and not found[key]:
                self._mark_unread(group, key.name, f"no release of {key.name} on its index supports the target")
        return found

    def _wanted(self, vulnerable: Collection[str]) -> dict[PinKey, tuple[str, ...]]:
        """The keys to read releases of, with the variants whose indexes to read."""
        wanted = {one.key: one.pins.variants for one in self._movable}
        for package in self.lock.packages:
            if package.name in vulnerable:
                wanted.setdefault(PinKey(package.name), package.variants)
        return wanted

    # -- first-seen times ------------------------------------------------------

    def _read_first_seen(self) -> dict[str, dict[str, datetime]]:
        """The first-seen times of earlier runs, from the branch that records them."""
        name = self.inputs.manifest.update.prefix + SEEN_BRANCH
        head = self.clone.heads(name).get(name)
        if head is None:
            data = self.folder.read(SEEN_PATH)
        else:
            data = self.clone.read(head.commit, SEEN_PATH)
            if not data:
                # The project may have moved to another folder since.
                made = read_sealed(head)
                data = self.clone.read(head.commit, SEEN_PATH, made.project if made is not None else None)
        if data is None:
            return {}
        return parse_seen(data, f"{name}:{SEEN_PATH}")

    def _first_seen(self, available: planning.AvailableReleases, offers: Sequence[Offer]) -> str | None:
        """The new record. What could not be read this time keeps its times: its cooldown must not start again."""
        manifest = self.inputs.manifest
        record = planning.first_seen_record(available, manifest)
        record |= baseimages.first_seen_record(offers, available.seen, available.now)
        for name in self._unread:
            if name in available.seen:
                record[name] = dict(available.seen[name])
        if manifest.update.waits and (record or available.seen):
            return render_seen(record)
        return None

    # -- vulnerabilities -------------------------------------------------------

    def _findings(self) -> list[tuple[AuditFinding, KnownVulnerability]] | None:
        """The open vulnerabilities; None, with a note, if the advisories cannot be read."""
        if self.options.no_audit:
            return None
        try:
            found, records = self.auditor.audit(self.inputs, self.lock)
        except ToolFailed as error:
            self.progress.note(f"cannot read advisories, so security fixes have no priority: {error}")
            return None
        return [(finding, vulnerability_of(finding, records.get(finding.package.name, ()))) for finding in found.open]


def _by_package(
    findings: Iterable[tuple[AuditFinding, KnownVulnerability]],
) -> dict[str, list[KnownVulnerability]]:
    found: dict[str, list[KnownVulnerability]] = {}
    for finding, vulnerability in findings:
        known = found.setdefault(finding.package.name, [])
        # Several packages of one name may be locked, for different variants.
        if vulnerability not in known:
            known.append(vulnerability)
    return found


def write_first_seen(folder: str, text: str) -> None:
    """Write the record of first-seen times into a checkout."""
    Folder(folder).replace({SEEN_PATH: text.encode()})


def vulnerability_of(finding: AuditFinding, records: Iterable[Advisory] = ()) -> KnownVulnerability:
    """The vulnerability of a finding, with those of ``records`` that describe it."""
    about = finding.vulnerability
    ids = set(about.ids)
    known = KnownVulnerability(
        package=finding.package.name,
        name=about.id,
        fixed=tuple(parse_version(fixed) for fixed in about.fixed),
        url=f"https://osv.dev/vulnerability/{about.record}",
        version=parse_version(parse_version(finding.package.version).public),
        level=about.level,
        summary=about.summary,
    )
    return with_records(known, [record for record in records if ids & {record.id, *record.aliases}])


def now() -> datetime:
    """The current time, from which cooldowns are measured."""
    return datetime.now(UTC)
