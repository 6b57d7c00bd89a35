"""Which versions `lockgen update` chooses, with real uv: groups that move together, fixes, packages without a pin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.index import LocalIndex
from support.osv import Record, before, record
from support.remotes import Clone, MemoryForge
from update.conftest import FAMILY

OLD, NOW = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
SOUND = '[update.groups.sound]\npackages = ["numpy", "speech"]\n'


def update(clone: Clone, *arguments: str) -> dict[str, Any]:
    """The report of a run, by group."""
    ran = clone.project.run("update", "--json", *(arguments or ("--no-audit",)))
    assert ran.code == 0, ran.err
    return {group["group"]: group for group in json.loads(ran.out)["groups"]}


def known(folder: Path, *records: Record) -> tuple[str, str]:
    """The option for a dump of ``records``."""
    dump = folder / "osv"
    dump.mkdir(exist_ok=True)
    for one in records:
        (dump / f"{one['id']}.json").write_text(json.dumps(one))
    return "--database", str(dump)


def declare(clone: Clone, policy: str) -> None:
    clone.project.write(FAMILY + policy)
    clone.project.ok("resolve")
    clone.commit("a policy")


def titles(forge: MemoryForge) -> list[str]:
    return [request.title for number, request in forge.requests.items() if number not in forge.closed]


def test_packages_that_only_fit_together_move_together(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    """No speech fits numpy 3.0: 2.0 is the latest version with which both move."""
    for version in ("2.0", "3.0"):
        index.add("numpy", version)
    index.add("speech", "2.0", ["numpy>=2,<3"])
    declare(clone, SOUND)
    assert update(clone)["sound"]["outcome"] == "created"
    assert titles(forge) == ["update numpy 2.0, speech 2.0"]
    assert "numpy is updated to 2.0 instead of 3.0" in forge.requests[1].body
    assert "speech 2.0 requires numpy>=2,<3, but numpy is 3.0" in forge.requests[1].body


def test_a_stuck_package_in_a_partial_group_does_not_stop_the_others(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    index.add("numpy", "2.0")
    index.add("speech", "2.0", ["numpy>=2,<3"])
    index.add("tokens", "2.0", ["numpy>=7"])
    declare(clone, SOUND.replace('"speech"]', '"speech", "tokens"]\npartial = true'))
    assert update(clone)["sound"]["outcome"] == "created"
    assert titles(forge) == ["update numpy 2.0, speech 2.0"]
    assert "tokens cannot be updated to 2.0" in forge.requests[1].body
    assert "tokens 2.0 requires numpy>=7" in forge.requests[1].body


def test_an_unresolved_group_is_explained_for_its_latest_versions(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    index.add("numpy", "2.0")
    index.add("speech", "2.0", ["numpy>=2"])
    declare(clone, SOUND + '[update]\nignore = [{ package = "numpy", versions = ">=2" }]\n')
    found = update(clone)["sound"]
    assert found["outcome"] == "unresolved"
    assert found["why"].startswith("numpy 1.1, speech 2.0: no solution found with numpy 1.1, speech 2.0\n")
    assert "speech 2.0 (required by asr) requires numpy>=2; [pins] line 9 pins numpy to 1.1" in found["why"]


def test_a_fitting_release_is_found_among_many_that_do_not_fit(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    for minor in range(12):
        index.add("numpy", f"2.{minor}")
    assert update(clone)["numpy"]["outcome"] == "created"
    assert titles(forge) == ["update numpy 1.0 -> 1.1"]
    assert "numpy is updated to 1.1 instead of 2.11" in forge.requests[1].body
    assert "speech 1.0 requires numpy<2" in forge.requests[1].body


def test_a_fix_in_its_cooldown_is_chosen_if_the_others_do_not_fit(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("numpy", "1.0.1", uploaded=NOW)
    index.add("numpy", "2.0", uploaded=OLD)
    weak = record("GHSA-1", "numpy", {"introduced": "0"}, {"fixed": "1.0.1"})
    weak["affected"][0]["versions"] = ["1.1"]
    declare(clone, "[update]\ncooldown = 30\n")
    assert update(clone, *known(tmp_path, weak))["numpy"]["outcome"] == "created"
    assert titles(forge) == ["security: update numpy 1.0 -> 1.0.1"]
    assert "numpy is updated to 1.0.1 instead of 2.0" in forge.requests[1].body


def test_one_of_two_vulnerabilities_is_fixed_if_the_other_cannot_be(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("numpy", "1.0.1", uploaded=NOW)
    index.add("numpy", "5.0", uploaded=OLD)
    one = record("GHSA-1", "numpy", {"introduced": "0"}, {"fixed": "1.0.1"}, versions=["1.1"])
    two = record("GHSA-2", "numpy", *before("5.0"))
    declare(clone, "[update]\ncooldown = 30\n")
    update(clone, *known(tmp_path, one, two))
    assert titles(forge) == ["security: update numpy 1.0 -> 1.0.1"]
    assert "GHSA-2" in forge.requests[1].body.partition("Remaining vulnerabilities")[2]


def test_an_update_without_a_fix_lists_the_remaining_vulnerability(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    """The fix, 2.0, does not fit; 1.1 is still affected."""
    index.add("numpy", "2.0")
    update(clone, *known(tmp_path, record("GHSA-1", "numpy", *before("2.0"))))
    assert titles(forge) == ["update numpy 1.0 -> 1.1"]
    body = forge.requests[1].body
    assert "GHSA-1" in body.partition("Remaining vulnerabilities")[2]
    assert "numpy is updated to 1.1 instead of 2.0" in body


def test_a_release_in_an_affected_series_is_not_a_fix(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    """Fixed in 1.0.5 and in 1.2: 1.1 comes after the first and is affected."""
    weak = record("GHSA-1", "numpy", *before("1.0.5"), *before("1.2", first="1.1"))
    update(clone, *known(tmp_path, weak))
    assert titles(forge) == ["update numpy 1.0 -> 1.1"]


def test_a_vulnerability_of_the_new_version_is_reported(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    weak = record("GHSA-9", "numpy", {"introduced": "1.1"}, {"last_affected": "1.1"}, summary="numbers leak")
    update(clone, *known(tmp_path, weak))
    assert titles(forge) == ["update numpy 1.0 -> 1.1"]
    body = forge.requests[1].body
    assert "GHSA-9" in body.partition("Vulnerabilities in the new versions")[2]


def test_a_vulnerability_without_a_fix_gives_no_priority(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("speech", "1.1", ["numpy<2"])
    declare(clone, "[update]\nmax-open = 1\n")
    found = update(clone, *known(tmp_path, record("GHSA-1", "speech", {"introduced": "0"})))
    assert {name: group["outcome"] for name, group in found.items()} == {"numpy": "created", "speech": "limited"}


def test_an_index_without_an_answer_closes_no_pull_request(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    index.add("tokens", "1.1")
    update(clone)
    before_it = clone.heads()
    gone = index.pages.pop("tokens")
    found = update(clone)
    assert found["numpy"]["outcome"] == "unchanged"
    assert (clone.heads(), forge.closed) == (before_it, set())
    index.pages["tokens"] = gone
    assert {name: group["outcome"] for name, group in update(clone).items()} == {
        "numpy": "unchanged",
        "tokens": "unchanged",
    }


def test_a_declined_update_is_proposed_again_once_it_fixes_a_vulnerability(
    clone: Clone, forge: MemoryForge, tmp_path: Path
) -> None:
    update(clone)
    forge.closed.add(1)
    assert update(clone)["numpy"]["outcome"] == "declined"
    assert update(clone, *known(tmp_path, record("GHSA-1", "numpy", *before("1.1"))))["numpy"]["outcome"] == "created"
    assert titles(forge) == ["security: update numpy 1.0 -> 1.1"]


# -- packages without a pin -------------------------------------------------------


@pytest.fixture
def leaf(clone: Clone, index: LocalIndex) -> Clone:
    """speech needs leaf, which has no pin; it is locked at 1.0."""
    index.add("leaf", "1.0")
    index.add("speech", "1.0.1", ["numpy<2", "leaf<3"])
    clone.project.write(
        FAMILY.replace('speech = "1.0"', 'speech = "1.0.1"') + '[update]\nignore = [{ package = "numpy" }]\n'
    )
    clone.project.ok("resolve")
    clone.commit("a leaf")
    for version in ("1.0.5", "1.1", "2.0"):
        index.add("leaf", version)
    return clone


def test_an_unpinned_package_moves_to_the_lowest_fixed_release(leaf: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    update(leaf, *known(tmp_path, record("GHSA-1", "leaf", *before("1.1"))))
    assert titles(forge) == ["security: update leaf 1.0 -> 1.1"]


def test_an_ignored_fix_is_not_proposed(leaf: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    text = (leaf.root / "versions.toml").read_text()
    leaf.project.write(text.replace('"numpy" }]', '"numpy" }, { package = "leaf", versions = "==1.1" }]'))
    leaf.commit("not 1.1")
    update(leaf, *known(tmp_path, record("GHSA-1", "leaf", *before("1.1"))))
    assert titles(forge) == ["security: update leaf 1.0 -> 2.0"]


def test_nothing_moves_if_no_fixed_release_fits(
    leaf: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    found = update(leaf, *known(tmp_path, record("GHSA-1", "leaf", *before("3.0"))))
    assert found == {}
    index.add("leaf", "3.0")
    found = update(leaf, *known(tmp_path, record("GHSA-1", "leaf", *before("3.0"))))
    assert found["leaf"]["outcome"] == "unresolved"
    assert "leaf<3" in found["leaf"]["why"]
    assert titles(forge) == []


def test_fixes_are_reported_without_advisories_of_the_new_versions(
    clone: Clone, forge: MemoryForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lockgen.audit.osv_client import OsvDump
    from lockgen.errors import ToolFailed

    asked: list[object] = []
    real = OsvDump.of_releases

    def once(dump: OsvDump, releases: Any) -> Any:
        asked.append(releases)
        if len(asked) > 1:
            raise ToolFailed("OSV is out")
        return real(dump, releases)

    monkeypatch.setattr(OsvDump, "of_releases", once)
    update(clone, *known(tmp_path, record("GHSA-1", "numpy", *before("1.1"))))
    assert titles(forge) == ["security: update numpy 1.0 -> 1.1"]
    assert len(asked) == 2


def test_a_vulnerability_fixed_by_removing_the_package_is_reported(
    leaf: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    """The newer speech no longer requires leaf, and both are in one group."""
    index.add("speech", "1.2", ["numpy<2"])
    leaf.project.write((leaf.root / "versions.toml").read_text() + '[update.groups.all]\npackages = ["*"]\n')
    leaf.commit("one group")
    assert update(leaf, *known(tmp_path, record("GHSA-1", "leaf", *before("1.1"))))["all"]["outcome"] == "created"
    (request,) = forge.requests.values()
    assert request.title == "security: update speech 1.0.1 -> 1.2"
    assert "lockgen bump speech==1.2\n" in request.body
    assert "| leaf | cpu | removed | 1.0 | - |" in request.body
    assert "GHSA-1" in request.body.partition("Fixed vulnerabilities")[2]
