"""What is due, which versions are tried, and what follows from the facts: pure functions, nothing outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from packaging.version import Version

from lockgen.index.model import Published
from lockgen.manifest.reader import parse_manifest
from lockgen.update import plan as planning
from lockgen.update.model import Candidate, KnownVulnerability, UpdateGroup

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
    published: Mapping[str, list[Published]], update: str = "", family: str = "", **market: Any
) -> tuple[dict[str, dict[str, list[str]]], dict[str, str]]:
    """Groups to packages to the versions allowed; and what is held back."""
    manifest = parse_manifest(TORCH.format(update=update, family=family).encode())
    given: dict[str, Any] = {"seen": {}, "weaknesses": {}, "locked": {}, "now": NOW, "cut_off": None, **market}
    groups, waiting = planning.due(manifest, manifest.update, planning.AvailableReleases(published, **given))
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
def test_how_far_a_step_is(old: str, new: str, step: str) -> None:
    assert planning.step_of(Version(old), Version(new)) == step


def test_torchs_family_is_one_and_no_other_accelerator_is_an_upgrade() -> None:
    published = {"torch": releases("2.3.0", "2.4.0+cu121", "2.4.0+cu124", "2.5.0"), "torchaudio": releases("2.5.0")}
    assert due(published)[0] == {"torch": {"torch": ["2.5.0", "2.4.0"]}}


def test_a_pattern_that_meets_one_of_torchs_family_takes_all_of_it() -> None:
    published = {"torch": releases("2.5.0"), "numpy": releases("2.0")}
    update = '[update.groups.sound]\npackages = ["torchaudio", "numpy"]'
    assert set(due(published, update)[0]["sound"]) == {"torch", "numpy"}


def test_held_pins_older_releases_and_previews_are_not_due() -> None:
    published = {"scipy": releases("2.0"), "numpy": releases("0.9", "1.0", "2.0rc1")}
    assert due(published) == ({}, {})


def test_what_a_cut_off_hides_is_said() -> None:
    published = {"numpy": [*releases("1.1"), *releases("1.2", uploaded=NOW)]}
    groups, waiting = due(published, cut_off=NOW - timedelta(days=1))
    assert groups == {"numpy": {"numpy": ["1.1"]}}
    assert waiting == {"numpy 1.2": "newer than [family] exclude-newer"}


def test_a_cooldown_ends() -> None:
    published = {"numpy": releases("1.1", uploaded=NOW - timedelta(days=6, hours=23))}
    assert due(published, "[update]\ncooldown = 7")[0] == {}
    assert due(published, "[update]\ncooldown = 7", now=NOW + timedelta(hours=1))[0] == {"numpy": {"numpy": ["1.1"]}}


def test_a_groups_own_cooldown_goes_before_the_tables() -> None:
    published = {"numpy": releases("1.1", uploaded=NOW - timedelta(days=6))}
    update = '[update]\ncooldown = 7\n[update.groups.a]\npackages = ["numpy"]\ncooldown = 0'
    assert due(published, update)[0] == {"a": {"numpy": ["1.1"]}}


def test_without_upload_times_it_begins_at_first_sight() -> None:
    published = {"torch": releases("2.4.0", uploaded=None)}
    manifest = parse_manifest(TORCH.format(update="", family="").encode())
    market = planning.AvailableReleases(published, {}, {}, {}, NOW)
    seen = planning.unseen(market, manifest)
    assert seen == {"torch": {"2.4.0": NOW}}
    later = planning.AvailableReleases(published, seen, {}, {}, NOW + timedelta(days=3))
    assert planning.unseen(later, manifest) == seen
    update = "[update]\ncooldown = 3"
    assert due(published, update, seen=seen)[0] == {}
    assert due(published, update, seen=seen, now=NOW + timedelta(days=3))[0] == {"torch": {"torch": ["2.4.0"]}}


def test_a_fix_waits_for_no_cooldown_and_may_be_any_step() -> None:
    weakness = KnownVulnerability("numpy", "CVE-1", (Version("2.0"),))
    published = {"numpy": releases("1.1", "2.0", uploaded=NOW)}
    update = '[update]\ncooldown = 7\nsteps = ["patch"]'
    groups, waiting = due(published, update, weaknesses={"numpy": [weakness]})
    assert groups == {"numpy": {"numpy": ["2.0"]}}
    assert list(waiting) == ["numpy 1.1"]


def test_a_fix_takes_the_smallest_step_that_ends_all_unless_the_policy_allows_one() -> None:
    weaknesses = {
        "numpy": [
            KnownVulnerability("numpy", "CVE-1", (Version("1.2"),)),
            KnownVulnerability("numpy", "CVE-2", (Version("2.1"),)),
        ]
    }
    published = {"numpy": releases("1.1", "1.2", "2.0", "2.1", "2.2", "3.0")}
    update = '[update]\nsteps = ["minor"]'
    assert due(published, update, weaknesses=weaknesses)[0] == {
        "numpy": {"numpy": ["2.1", "2.2", "3.0", "1.2", "2.0", "1.1"]}
    }
    weaknesses["numpy"].pop()
    assert due(published, update, weaknesses=weaknesses)[0] == {"numpy": {"numpy": ["1.2", "2.0", "2.1", "2.2", "1.1"]}}
    update += '\nignore = [{ package = "numpy", versions = ">=1.2" }]'
    assert due(published, update, weaknesses=weaknesses)[0] == {"numpy": {"numpy": ["1.1"]}}


def test_what_is_only_locked_moves_for_a_fix_and_what_is_held_is_told() -> None:
    weaknesses = {
        "urllib3": [KnownVulnerability("urllib3", "CVE-2", (Version("2.1"),))],
        "scipy": [KnownVulnerability("scipy", "CVE-3", (Version("1.1"),))],
    }
    published = {"urllib3": releases("2.0", "2.1"), "scipy": releases("1.1")}
    locked = {"urllib3": Version("1.9"), "scipy": Version("1.0")}
    groups, waiting = due(published, weaknesses=weaknesses, locked=locked)
    assert groups == {"urllib3": {"urllib3": ["2.1"]}}
    assert waiting == {"scipy 1.0": "it has a known vulnerability, and is held"}


# -- which versions ---------------------------------------------------------------


def group(*candidates: Candidate, partial: bool = False) -> UpdateGroup:
    return UpdateGroup("g", candidates, partial, planning.key_of(candidates))


def candidate(name: str, *allowed: int) -> Candidate:
    return Candidate(name, Version("0"), tuple(Version(str(v)) for v in sorted(allowed, reverse=True)))


def test_what_is_stuck_is_tried_with_its_next_best_and_the_others_are_not() -> None:
    asked: list[dict[str, list[str]]] = []
    one, two = Version("1"), Version("2")
    weak = Candidate("a", Version("0"), (two, one), tiers=((two,), (one,)))

    def attempt(among: Mapping[str, Any], counts: Any) -> Mapping[str, str]:
        asked.append({name: [str(version) for version in versions] for name, versions in among.items()})
        assert counts({"a"}) == (among["a"] == (one,))
        assert counts({"b"})
        return {"a": "it does not fit"} if among["a"] == (two,) else {}

    found = planning.walk(group(weak, candidate("b", 3, 4)), attempt)
    assert asked == [{"a": ["2"], "b": ["4", "3"]}, {"a": ["1"], "b": ["4", "3"]}]
    assert (found.stuck, found.missed) == ({}, {"a": "it does not fit"})


def test_what_has_no_next_best_is_stuck() -> None:
    found = planning.walk(group(candidate("a", 1), candidate("b", 2)), lambda among, counts: {"b": "no"})
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


def test_a_variants_own_version_is_a_group_of_its_own() -> None:
    published = {"numpy": releases("1.1"), "numpy a b": releases("0.6", "1.1"), "numpy c.d": releases("0.8")}
    assert due(published, family="", update=OWN)[0] == {
        "numpy": {"numpy": ["1.1"]},
        "numpy-a-b": {"numpy": ["1.1", "0.6"]},
        "numpy-c-d": {"numpy": ["0.8"]},
    }


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    update = OWN + '[update.groups.numpy-c-d]\npackages = ["torch"]\n'
    published = {"torch": releases("2.5.0"), "numpy c.d": releases("0.8")}
    assert set(due(published, update)[0]) == {"numpy-c-d", "numpy-c-d-own"}


def test_a_vulnerability_counts_where_the_version_is_that_has_it() -> None:
    published = {"numpy": releases("1.1"), "numpy a b": releases("0.6"), "numpy c.d": releases("0.8")}
    weak = KnownVulnerability("numpy", "CVE-1", (Version("0.8"),), version=Version("0.7"))
    manifest = parse_manifest(TORCH.format(update=OWN, family="").encode())
    market = planning.AvailableReleases(published, {}, {"numpy": [weak]}, {"numpy": Version("1.0")}, NOW)
    groups, _ = planning.due(manifest, manifest.update, market)
    assert [(group.name, group.security) for group in groups] == [
        ("numpy-c-d", True),
        ("numpy", False),
        ("numpy-a-b", False),
    ]


def test_a_pin_that_every_variant_overrides_moves_nothing() -> None:
    text = TORCH.format(family="", update="").replace('cu121" }', 'cu121", numpy = "0.5" }')
    text = text.replace("[variants.cpu]", '[variants.cpu]\npins = { numpy = "0.6" }')
    found = planning.movable(parse_manifest(text.encode()))
    assert {key: str(one.unit.current) for key, one in found.items() if one.unit.name == "numpy"} == {
        "numpy": "0.5",
        "numpy cpu": "0.6",
    }
