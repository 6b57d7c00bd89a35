"""Find the pins that requests are about, and check that they may change as requested."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.close_match import close_match
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.errors import BadInput
from lockgen.manifest.fingerprints import Inputs
from lockgen.upgrade.bump_model import Choice, PinGroup, PinSite, UpgradeRequest
from lockgen.upgrade.pin_groups import AvailableVersions, pin_group_of

NamedVersions = Mapping[str, str | None]
"""The requested packages, each with its exact version; None is the latest compatible one."""


def versions_by_name(requests: Sequence[UpgradeRequest]) -> dict[str, str | None]:
    """The requested version of each package.

    Raises:
        BadInput: a package is named with two versions.
    """
    found: dict[str, str | None] = {}
    for request in requests:
        name = str(canonicalize_name(request.name))
        if name in found and not _is_same(found[name], request.version):
            raise BadInput(f"{name} is named twice, with two versions", hint="name it once")
        found[name] = request.version
    return found


def _is_same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return parse_version(one) == parse_version(other)


@dataclass(frozen=True)
class RequestReader:
    """Reads requests for one family.

    ``manifest`` is the family with the new accelerators and base images, ``inputs`` the file without them. ``only`` are
    the variants whose own pins alone change, ``accelerators`` the new ones by variant. ``add_pin`` allows a version for
    a package without a pin.
    """

    inputs: Inputs
    manifest: Manifest
    old: Lock | None
    only: tuple[str, ...]
    accelerators: Mapping[str, str]
    add_pin: bool

    # -- which pins change -----------------------------------------------------

    def with_torch(self, named: NamedVersions) -> dict[str, str | None]:
        """``named``, with torch at its current version if only an accelerator is named."""
        found = dict(named)
        if not self.accelerators or any(name in FAMILY for name in named):
            return found
        group = pin_group_of(self.inputs.manifest, FAMILY[0], tuple(self.accelerators))
        if group is None:
            return found
        # An explicit index has the same release for each accelerator; the default index has each release once, so
        # there another accelerator requires another release.
        indexed = all(self.manifest.variants[variant].index for variant in self.accelerators)
        found[group.name] = str(group.current) if indexed else None
        return found

    def groups(self, named: NamedVersions) -> tuple[list[PinGroup], dict[str, str | None]]:
        """The groups that change, torch's first; and the packages without a pin, with the requested versions."""
        found: dict[str, PinGroup] = {}
        unpinned: dict[str, str | None] = {}
        for name, version in named.items():
            group = pin_group_of(self.manifest, name, self._only(name))
            # torchvision without a pin is not a member of the group, although torch is pinned.
            if group is None or name not in group.names:
                self._check_unpinned(name, version)
                unpinned[name] = version
            else:
                self._check_held(group, named)
                found[group.name] = group
        # torch restricts other packages more than they restrict torch.
        return sorted(found.values(), key=lambda group: group.name not in FAMILY), unpinned

    def _only(self, name: str) -> tuple[str, ...]:
        """The variants whose own pins alone change; a variant with a new accelerator is one of them for torch."""
        if self.only or name not in FAMILY:
            return self.only
        return tuple(self.accelerators)

    def _check_unpinned(self, name: str, version: str | None) -> None:
        shared = pin_group_of(self.manifest, name)
        if shared is not None and name in shared.names:
            only = self._only(name)
            raise BadInput(
                f"[variants.{only[0]}] has no pin of {name}",
                place=self.inputs.place(("variants", only[0])),
                hint="without --variant the shared pin changes; or add a pin to the variant",
            )
        known = self._known_packages()
        if name not in known:
            # A pinned name may be what was meant, even if no image requires the package.
            pinned = set(self.manifest.pins)
            for variant in self.manifest.variants.values():
                pinned.update(variant.pins)
            raise BadInput(f"no package named {name!r} is pinned or locked", hint=close_match(name, known | pinned))
        if version is not None and not self.add_pin:
            raise BadInput(
                f"{name} has no pin that could change to {version}",
                place=self.inputs.place(("pins",)) if self.manifest.pins else None,
                hint=f"--add-pin adds one to [pins]; lockgen bump {name} takes the latest compatible version"
                " without a pin",
            )

    def _known_packages(self) -> set[str]:
        """The packages that are locked, or required directly."""
        known = {requirement.name for requirement in self.manifest.common}
        for image in self.manifest.images.values():
            known.update(requirement.name for requirement in image.packages)
        if self.old is not None:
            known.update(package.name for package in self.old.packages)
        return known

    def _check_held(self, group: PinGroup, named: NamedVersions) -> None:
        """A held pin changes only if its exact version is named: that is a person's decision."""
        for site in group.held:
            if named.get(site.name) is None:
                raise BadInput(
                    f"{site.name} {site.version} is held: it changes only to a version that you name",
                    place=self.inputs.place(site.pin.path),
                    hint=f"lockgen bump {site.name}==VERSION",
                )

    # -- exact versions --------------------------------------------------------

    def exact_choice(self, group: PinGroup, exact: Mapping[str, Version], available: AvailableVersions) -> Choice:
        """``group`` at the ``exact`` versions, completed by the pair table.

        Raises:
            BadInput: the pair table cannot complete it, or it would change the accelerator.
        """
        self._check_local_parts(group, exact)
        choice = available.choice(group, exact)
        if choice is None:
            raise self._no_partner(group, exact, available.leading_version(group, exact))
        self._check_accelerator(group, choice, available)
        return choice

    def _no_partner(self, group: PinGroup, exact: Mapping[str, Version], lead: Version | None) -> BadInput:
        lacking = [name for name in group.names if name not in exact]
        named: list[str] = []
        words: list[str] = []
        for name, version in exact.items():
            named.append(f"{name} {version}")
            words.append(f"{name}=={version}")
        words += [f"{name}==VERSION" for name in lacking]
        return BadInput(
            f"no metadata names the matching {' and '.join(lacking)} for {', '.join(named)}",
            place=self.inputs.place(group.sites[0].pin.path),
            hint=f"name all of them: lockgen bump {' '.join(words)}; or add it to [compat.pairs.{lead or '…'}]"
            " (`lockgen pairs --refresh` reads the indexes)",
        )

    def _check_local_parts(self, group: PinGroup, exact: Mapping[str, Version]) -> None:
        """Another local part is another build, often for another accelerator, and not a newer version."""
        for name, version in exact.items():
            if name not in FAMILY or version.local is None:
                continue
            sites = [site for site in group.sites if site.name == name]
            if version.local in self._known_local_parts(name, sites):
                continue
            # A named GPU build is meant for a variant that has a GPU.
            gpu = [site for site in sites if site.version.local != "cpu"]
            site = gpu[0] if gpu else sites[0]
            raise self._another_build(site, str(version), version.local)

    def _known_local_parts(self, name: str, sites: Iterable[PinSite]) -> Collection[str | None]:
        known: set[str | None] = set(self.accelerators.values())
        for site in sites:
            known.add(site.version.local)
            for variant in site.variants:
                index = self.manifest.index_of(name, variant)
                known.add(index.accelerator if index is not None else None)
        return known

    def _check_accelerator(self, group: PinGroup, choice: Choice, available: AvailableVersions) -> None:
        """The default index's torch does not name its accelerator, and a newer one may be for another CUDA."""
        for site in group.sites:
            wanted = parse_version(choice.of(site))
            old = available.default_build(site, site.version)
            new = available.default_build(site, wanted)
            # Unknown is not another one: the pair table lacks old and very new releases.
            if old is None or new is None:
                continue
            requested = {self.accelerators.get(variant, old) for variant in site.variants}
            if new not in requested:
                raise self._another_build(site, str(wanted), new)

    def _another_build(self, site: PinSite, version: str, label: str) -> BadInput:
        variant = site.variants[0] if site.variants else "VARIANT"
        return BadInput(
            f"{site.name} {version} is a build for {label}, and {site.name} {site.version} is not",
            place=self.inputs.place(site.pin.path),
            hint=f"--variant {variant}={label} changes the accelerator of a variant",
        )
