"""Which groups have updates, and which versions are tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from packaging.version import Version

from lockgen.index.model import Published
from lockgen.manifest.reader import parse_manifest
from lockgen.update import plan as planning
from lockgen.update.model import Candidate, KnownVulnerability, PinKey, UpdateGroup

NOW = datetime(2025, 6, 1, tzinfo=UTC)
TORCH = """\
[family]
name = "voices"
python = "3.11"
{family}
[index.cu121]
url = "https://index.example/whl/cu121"
packages = ["torch", "torchaudio"]

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = {{ torch = "2.3.0+cu121", torchaudio = "2.3.0+cu121" }}

[variants.cpu]
from = "python:3.11-slim"

[pins]
numpy = "1.0"
scipy = {{ version = "1.0", held = true }}

[bases.base]
packages = ["numpy", "scipy"]

[bases.ml]
from = "base"
variants = ["cuda"]
packages = ["torch", "torchaudio"]

{update}
"""


def due(
    published: Mapping[PinKey, list[Published]], update: str = "", family: str = "", **available: Any
) -> tuple[dict[str, dict[str, list[str]]], dict[str, str]]:
    """The allowed versions by group and package, and what is held back."""
    manifest = parse_manifest(TORCH.format(update=update, family=family).encode())
    given: dict[str, Any] = {"seen": {}, "vulnerabilities": {}, "locked": {}, "now": NOW, "cut_off": None, **available}
    groups, waiting = planning.due_groups(manifest, manifest.update, planning.AvailableReleases(published, **given))
    return (
        {group.name: {c.name: [str(v) for v in c.allowed] for c in group.candidates} for group in groups},
        {f"{one.name} {one.version}": one.why for one in waiting},
    )


def releases(*texts: str, uploaded: datetime | None = NOW - timedelta(days=90)) -> list[Published]:
    return [Published(Version(text), uploaded) for text in texts]


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("1.2.3", "1.2.4", "patch"),
        ("1.2", "1.2.0.1", "patch"),
        ("1.2.3", "1.2.3.post1", "patch"),
        ("1.2.3", "1.3", "minor"),
        ("1", "1.1", "minor"),
        ("1.9", "2", "major"),
        ("2.5.1+cu121", "2.6.0+cu121", "minor"),
        ("2025.1", "1!1.0", "major"),
    ],
)
def test_the_size_of_a_step(old: str, new: str, step: str) -> None:
    assert planning.step_of(Version(old), Version(new)) == step


def test_torchs_family_moves_as_one_and_another_accelerator_is_not_an_upgrade() -> None:
    published = {
        PinKey("torch"): releases("2.3.0", "2.4.0+cu121", "2.4.0+cu124", "2.5.0"),
        PinKey("torchaudio"): releases("2.5.0"),
    }
    assert due(published)[0] == {"torch": {"torch": ["2.5.0", "2.4.0"]}}


def test_a_pattern_that_matches_one_of_torchs_family_matches_all() -> None:
    published = {PinKey("torch"): releases("2.5.0"), PinKey("numpy"): releases("2.0")}
    update = '[update.groups.sound]\npackages = ["torchaudio", "numpy"]'
    assert set(due(published, update)[0]["sound"]) == {"torch", "numpy"}


def test_held_pins_older_releases_and_pre_releases_are_not_updates() -> None:
    published = {PinKey("scipy"): releases("2.0"), PinKey("numpy"): releases("0.9", "1.0", "2.0rc1")}
    assert due(published) == ({}, {})


def test_releases_after_the_cut_off_are_reported() -> None:
    published = {PinKey("numpy"): [*releases("1.1"), *releases("1.2", uploaded=NOW)]}
    groups, waiting = due(published, cut_off=NOW - timedelta(days=1))
    assert groups == {"numpy": {"numpy": ["1.1"]}}
    assert waiting == {"numpy 1.2": "newer than [family] exclude-newer"}


def test_a_cooldown_ends() -> None:
    published = {PinKey("numpy"): releases("1.1", uploaded=NOW - timedelta(days=6, hours=23))}
    assert due(published, "[update]\ncooldown = 7")[0] == {}
    assert due(published, "[update]\ncooldown = 7", now=NOW + timedelta(hours=1))[0] == {"numpy": {"numpy": ["1.1"]}}


def test_a_groups_own_cooldown_wins() -> None:
    published = {PinKey("numpy"): releases("1.1", uploaded=NOW - timedelta(days=6))}
    update = '[update]\ncooldown = 7\n[update.groups.a]\npackages = ["numpy"]\ncooldown = 0'
    assert due(published, update)[0] == {"a": {"numpy": ["1.1"]}}


def test_a_cooldown_without_upload_times_starts_at_the_first_seen_time() -> None:
    published = {PinKey("torch"): releases("2.4.0", uploaded=None)}
    manifest = parse_manifest(TORCH.format(update="", family="").encode())
    available = planning.AvailableReleases(published, {}, {}, {}, NOW)
    seen = planning.first_seen_record(available, manifest)
    assert seen == {"torch": {"2.4.0": NOW}}
    later = planning.AvailableReleases(published, seen, {}, {}, NOW + timedelta(days=3))
    assert planning.first_seen_record(later, manifest) == seen
    update = "[update]\ncooldown = 3"
    assert due(published, update, seen=seen)[0] == {}
    assert due(published, update, seen=seen, now=NOW + timedelta(days=3))[0] == {"torch": {"torch": ["2.4.0"]}}


def test_a_fix_ignores_the_cooldown_and_the_steps() -> None:
    weakness = KnownVulnerability("numpy", "CVE-1", (Version("2.0"),))
    published = {PinKey("numpy"): releases("1.1", "2.0", uploaded=NOW)}
    update = '[update]\ncooldown = 7\nsteps = ["patch"]'
    groups, waiting = due(published, update, vulnerabilities={"numpy": [weakness]})
    assert groups == {"numpy": {"numpy": ["2.0"]}}
    assert list(waiting) == ["numpy 1.1"]


def test_a_fix_is_the_smallest_step_that_fixes_all_unless_the_policy_allows_one() -> None:
    vulnerabilities = {
        "numpy": [
            KnownVulnerability("numpy", "CVE-1", (Version("1.2"),)),
            KnownVulnerability("numpy", "CVE-2", (Version("2.1"),)),
        ]
    }
    published = {PinKey("numpy"): releases("1.1", "1.2", "2.0", "2.1", "2.2", "3.0")}
    update = '[update]\nsteps = ["minor"]'
    assert due(published, update, vulnerabilities=vulnerabilities)[0] == {
        "numpy": {"numpy": ["2.1", "2.2", "3.0", "1.2", "2.0", "1.1"]}
    }
    vulnerabilities["numpy"].pop()
    assert due(published, update, vulnerabilities=vulnerabilities)[0] == {
        "numpy": {"numpy": ["1.2", "2.0", "2.1", "2.2", "1.1"]}
    }
    update += '\nignore = [{ package = "numpy", versions = ">=1.2" }]'
    assert due(published, update, vulnerabilities=vulnerabilities)[0] == {"numpy": {"numpy": ["1.1"]}}


def test_an_unpinned_package_moves_for_a_fix_and_a_held_pin_is_reported() -> None:
    vulnerabilities = {
        "urllib3": [KnownVulnerability("urllib3", "CVE-2", (Version("2.1"),))],
        "scipy": [KnownVulnerability("scipy", "CVE-3", (Version("1.1"),))],
    }
    published = {PinKey("urllib3"): releases("2.0", "2.1"), PinKey("scipy"): releases("1.1")}
    locked = {"urllib3": Version("1.9"), "scipy": Version("1.0")}
    groups, waiting = due(published, vulnerabilities=vulnerabilities, locked=locked)
    assert groups == {"urllib3": {"urllib3": ["2.1"]}}
    assert waiting == {"scipy 1.0": "it has a known vulnerability, and its pin is held"}


# -- which versions ---------------------------------------------------------------


def group(*candidates: Candidate, partial: bool = False) -> UpdateGroup:
    return UpdateGroup("g", candidates, partial, planning.key_of(candidates))


def candidate(name: str, *allowed: int) -> Candidate:
    return Candidate(name, Version("0"), tuple(Version(str(v)) for v in sorted(allowed, reverse=True)))


def test_only_a_stuck_package_is_tried_with_its_next_tier() -> None:
    asked: list[dict[str, list[str]]] = []
    one, two = Version("1"), Version("2")
    weak = Candidate("a", Version("0"), (two, one), tiers=((two,), (one,)))

    def attempt(among: Mapping[str, Any], counts: Any) -> Mapping[str, str]:
        asked.append({name: [str(version) for version in versions] for name, versions in among.items()})
        assert counts({"a"}) == (among["a"] == (one,))
        assert counts({"b"})
        return {"a": "it does not fit"} if among["a"] == (two,) else {}

    found = planning.try_versions(group(weak, candidate("b", 3, 4)), attempt)
    assert asked == [{"a": ["2"], "b": ["4", "3"]}, {"a": ["1"], "b": ["4", "3"]}]
    assert (found.stuck, found.missed) == ({}, {"a": "it does not fit"})


def test_a_package_without_another_tier_is_stuck() -> None:
    found = planning.try_versions(group(candidate("a", 1), candidate("b", 2)), lambda among, counts: {"b": "no"})
    assert (found.stuck, found.missed) == ({"b": "no"}, {})


OWN = """
[variants.a]
from = "python:3.11-slim"
pins = { numpy = "0.5" }
[variants.b]
from = "python:3.11-slim"
pins = { numpy = "0.5" }
[variants."c.d"]
from = "python:3.11-slim"
pins = { numpy = "0.7" }
"""


def test_a_variants_own_pin_is_a_separate_group() -> None:
    published = {
        PinKey("numpy"): releases("1.1"),
        PinKey("numpy", ("a", "b")): releases("0.6", "1.1"),
        PinKey("numpy", ("c.d",)): releases("0.8"),
    }
    assert due(published, family="", update=OWN)[0] == {
        "numpy": {"numpy": ["1.1"]},
        "numpy-a-b": {"numpy": ["1.1", "0.6"]},
        "numpy-c-d": {"numpy": ["0.8"]},
    }


def test_group_names_are_unique() -> None:
    update = OWN + '[update.groups.numpy-c-d]\npackages = ["torch"]\n'
    published = {PinKey("torch"): releases("2.5.0"), PinKey("numpy", ("c.d",)): releases("0.8")}
    assert set(due(published, update)[0]) == {"numpy-c-d", "numpy-c-d-own"}


def test_a_vulnerability_counts_only_for_the_affected_version() -> None:
    published = {
        PinKey("numpy"): releases("1.1"),
        PinKey("numpy", ("a", "b")): releases("0.6"),
        PinKey("numpy", ("c.d",)): releases("0.8"),
    }
    weak = KnownVulnerability("numpy", "CVE-1", (Version("0.8"),), version=Version("0.7"))
    manifest = parse_manifest(TORCH.format(update=OWN, family="").encode())
    available = planning.AvailableReleases(published, {}, {"numpy": [weak]}, {"numpy": Version("1.0")}, NOW)
    groups, _ = planning.due_groups(manifest, manifest.update, available)
    assert [(group.name, group.security) for group in groups] == [
        ("numpy-c-d", True),
        ("numpy", False),
        ("numpy-a-b", False),
    ]


def test_a_pin_that_every_variant_overrides_moves_nothing() -> None:
    text = TORCH.format(family="", update="").replace('cu121" }', 'cu121", numpy = "0.5" }')
    text = text.replace("[variants.cpu]", '[variants.cpu]\npins = { numpy = "0.6" }')
    found = planning.movable_pins(parse_manifest(text.encode()))
    assert {key: str(one.pins.current) for key, one in found.items() if one.pins.name == "numpy"} == {
        PinKey("numpy"): "0.5",
        PinKey("numpy", ("cpu",)): "0.6",
    }
