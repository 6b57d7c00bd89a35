"""Base images in `lockgen update`: a registry on loopback, real git, a forge in memory."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.index import LocalIndex
from support.project import Project
from support.registry import LocalRegistry, serving
from support.remotes import Clone, MemoryForge, cloned, git
from update.conftest import FAMILY

from lockgen.update import update_scan as due

TWO = """
[variants.slow]
from = "HOST/library/python:3.11.4-slim"
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("library/python", "3.11-slim", "3.11.4-slim", "3.11.9-slim", "3.11.10-bookworm", "3.12.1-slim")
        yield local


def written(registry: LocalRegistry, reference: str, rest: str = "") -> str:
    own = TWO.replace("HOST", registry.host) if rest == TWO else rest
    return FAMILY.replace("python:3.11-slim", f"{registry.host}/library/python:{reference}") + own


@pytest.fixture
def clone(index: LocalIndex, project: Project, registry: LocalRegistry, tmp_path: Path) -> Clone:
    """Every pin is the newest; the base image is not."""
    for name in ("numpy", "speech", "tokens"):
        index.add(name, "1.0")
    project.write(written(registry, "3.11.4-slim", TWO))
    project.ok("resolve")
    return cloned(project, tmp_path)


def rewrite(clone: Clone, text: str) -> None:
    clone.project.write(text)
    clone.project.ok("resolve")
    clone.commit("another base")


def update(clone: Clone, *arguments: str) -> tuple[dict[str, str], dict[str, Any]]:
    ran = clone.update("--json", *arguments)
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    return {group["group"]: group["outcome"] for group in data["groups"]}, data


def base_of(clone: Clone, branch: str, variant: str = "cpu") -> str:
    return str(tomllib.loads(clone.show(branch, "versions.toml"))["variants"][variant]["from"])


def test_a_newer_tag_becomes_a_pull_request_that_passes_check(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, tmp_path: Path
) -> None:
    name = f"{registry.host}/library/python"
    assert update(clone)[0] == {"base-images": "created"}
    (request,) = forge.requests.values()
    assert request.title == f"update {name} 3.11.4-slim -> 3.11.9-slim"
    assert request.branch == "lockgen/base-images"
    assert "It is the latest tag of the same kind that [update] allows. 6 images change." in request.body
    assert "asr:cpu, asr:slow, base:cpu" in request.body
    assert "No package changes" in request.body
    assert f"lockgen bump --base cpu={name}:3.11.9-slim --base slow={name}:3.11.9-slim" in request.body
    assert f'ignore = [{{ base-image = "{name}", versions = ">=3.11.9" }}]' in request.body
    assert {base_of(clone, request.branch, v) for v in ("cpu", "slow")} == {f"{name}:3.11.9-slim"}
    assert f"{name}:3.11.9-slim" in clone.show(request.branch, "docker/docker-bake.hcl")
    there = tmp_path / "reviewed"
    git(tmp_path, "clone", "-q", "-b", request.branch, str(clone.remote), str(there))
    assert clone.project.run("--project", str(there), "check").code == 0
    assert update(clone)[0] == {"base-images": "unchanged"}
    registry.add("library/python", "3.11.11-slim")
    assert update(clone)[0] == {"base-images": "refreshed"}
    assert forge.requests[1].title == f"update {name} 3.11.4-slim -> 3.11.11-slim"


def test_the_reproduce_command_makes_the_same_changes(clone: Clone, forge: MemoryForge) -> None:
    update(clone)
    line = next(line for line in forge.requests[1].body.splitlines() if line.startswith("lockgen bump"))
    clone.project.ok(*line.split()[1:])
    assert clone.git("diff", "origin/main", "--stat")
    assert clone.git("diff", clone.heads()["lockgen/base-images"]) == ""


def test_a_tag_that_points_to_a_new_image_is_updated(clone: Clone, forge: MemoryForge, registry: LocalRegistry) -> None:
    old = registry.digest("library/python", "3.11-slim")
    rewrite(clone, written(registry, f"3.11-slim@{old}"))
    assert update(clone)[0] == {}
    registry.repositories["library/python"]["3.11-slim"] = b'{"schemaVersion": 2, "manifests": [], "new": true}'
    new = registry.digest("library/python", "3.11-slim")
    assert update(clone)[0] == {"base-images": "created"}
    assert f"3.11-slim@{old[7:19]} -> 3.11-slim@{new[7:19]}" in forge.requests[1].title
    assert "The tag no longer points to the pinned digest" in forge.requests[1].body
    assert {old[7:], new[7:]} <= set(re.findall("[0-9a-f]{64}", forge.requests[1].body))
    assert base_of(clone, "lockgen/base-images").endswith(f"3.11-slim@{new}")


def test_a_newer_tag_keeps_its_digest_pinned(clone: Clone, forge: MemoryForge, registry: LocalRegistry) -> None:
    rewrite(clone, written(registry, f"3.11.4-slim@{registry.digest('library/python', '3.11.4-slim')}"))
    assert update(clone)[0] == {"base-images": "created"}
    wanted = f"3.11.9-slim@{registry.digest('library/python', '3.11.9-slim')}"
    assert base_of(clone, "lockgen/base-images").endswith(wanted)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ('steps = ["minor"]', "a patch step, but the group allows minor"),
        ('ignore = [{ base-image = "*/python", versions = ">=3.11.9", reason = "it hangs" }]', "ignored: it hangs"),
    ],
)
def test_releases_held_back_by_the_policy_are_reported(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, policy: str, why: str
) -> None:
    rewrite(clone, written(registry, "3.11.4-slim", f"[update]\n{policy}\n"))
    outcomes, data = update(clone)
    assert outcomes == {}
    assert [(one["version"], one["why"]) for one in data["held-back"]] == [("3.11.9-slim", why)]


def test_an_ignored_package_does_not_ignore_an_image(clone: Clone, forge: MemoryForge, registry: LocalRegistry) -> None:
    rewrite(clone, written(registry, "3.11.4-slim", '[update]\nignore = [{ package = "*" }]\n'))
    assert update(clone)[0] == {"base-images": "created"}


def test_no_registry_is_read_if_base_images_are_disabled(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry
) -> None:
    rewrite(clone, written(registry, "3.11.4-slim", "[update]\nbase-images = false\n"))
    registry.asked.clear()
    assert update(clone)[0] == {}
    assert registry.asked == []


def test_no_registry_is_read_for_a_tag_without_newer_ones(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry
) -> None:
    """python:3.11-slim says no more than 3.11: no tag of its kind is newer, and no digest is pinned."""
    rewrite(clone, written(registry, "3.11-slim"))
    registry.asked.clear()
    assert update(clone)[0] == {}
    assert registry.asked == []


def test_a_cooldown_starts_when_the_tag_was_first_seen(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(clone, written(registry, "3.11.4-slim", "[update]\ncooldown = 7\n"))
    outcomes, data = update(clone)
    assert outcomes == {}
    assert "cooldown of 7 days until" in data["held-back"][0]["why"]
    seen = json.loads(clone.show("lockgen/first-seen", "locks/first-seen.json"))["seen"]
    assert list(seen) == [f"image:{registry.host}/library/python"]
    later = due.now() + timedelta(days=8)
    monkeypatch.setattr("lockgen.update.update_scan.now", lambda: later)
    assert update(clone)[0] == {"base-images": "created"}


def built_anew(registry: LocalRegistry, number: int) -> str:
    """Another image under the tag; the one before stays, by its digest."""
    tags = registry.repositories["library/python"]
    tags["3.11-slim"] = json.dumps({"schemaVersion": 2, "manifests": [], "build": number}).encode()
    digest = registry.digest("library/python", "3.11-slim")
    tags[digest] = tags["3.11-slim"]
    return digest


def test_a_tag_that_is_rebuilt_during_the_cooldown_still_moves(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull request stays on the digest that has cooled until a later one has, too."""
    old, start = registry.digest("library/python", "3.11-slim"), due.now()
    rewrite(clone, written(registry, f"3.11-slim@{old}", "[update]\ncooldown = 7\n"))

    def on(day: int) -> dict[str, str]:
        monkeypatch.setattr("lockgen.update.update_scan.now", lambda: start + timedelta(days=day))
        return update(clone)[0]

    first = built_anew(registry, 1)
    assert on(0) == {}
    second = built_anew(registry, 2)
    assert on(5) == {}
    assert on(8) == {"base-images": "created"}
    assert base_of(clone, "lockgen/base-images").endswith(first)
    built_anew(registry, 3)
    assert on(11) == {"base-images": "unchanged"}
    assert on(13) == {"base-images": "refreshed"}
    assert base_of(clone, "lockgen/base-images").endswith(second)
    assert list(forge.requests) == [1]
    del registry.repositories["library/python"][second]
    assert on(14) == {"base-images": "refreshed"}
    assert base_of(clone, "lockgen/base-images").endswith(first)


def test_two_tags_that_move_to_the_same_tag_are_listed_once(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry
) -> None:
    name = f"{registry.host}/library/python"
    registry.add("library/python", "3.11.5-slim")
    rewrite(clone, written(registry, "3.11.5-slim", TWO))
    update(clone)
    (request,) = forge.requests.values()
    assert request.title == f"update {name} 3.11.9-slim"
    assert f"the base image `{name}` from 3.11.5-slim and 3.11.4-slim to 3.11.9-slim." in request.body
    assert f'ignore = [{{ base-image = "{name}", versions = ">=3.11.9" }}]' in request.body
    assert {base_of(clone, request.branch, v) for v in ("cpu", "slow")} == {f"{name}:3.11.9-slim"}


def test_a_group_may_contain_an_image_and_packages(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, index: LocalIndex
) -> None:
    group = '[update.groups.floor]\npackages = ["numpy"]\nbase-images = ["*/library/python"]\n'
    rewrite(clone, written(registry, "3.11.4-slim", group))
    index.add("numpy", "1.1")
    assert update(clone)[0] == {"floor": "created"}
    (request,) = forge.requests.values()
    assert request.title == f"update numpy 1.1, {registry.host}/library/python 3.11.9-slim"
    assert base_of(clone, "lockgen/floor").endswith("3.11.9-slim")
    assert 'numpy = "1.1"' in clone.show("lockgen/floor", "versions.toml")


@pytest.mark.parametrize(("partial", "outcome"), [("true", "created"), ("false", "unresolved")])
def test_an_image_moves_without_a_stuck_package_in_a_partial_group(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry, index: LocalIndex, partial: str, outcome: str
) -> None:
    group = f'[update.groups.floor]\npackages = ["speech"]\nbase-images = ["*"]\npartial = {partial}\n'
    rewrite(clone, written(registry, "3.11.4-slim", group))
    index.add("speech", "2.0", ["numpy>=5"])
    assert update(clone)[0] == {"floor": outcome}
    if outcome == "created":
        assert forge.requests[1].title.endswith("3.11.4-slim -> 3.11.9-slim")
        assert "speech cannot be updated to 2.0" in forge.requests[1].body


def test_a_registry_failure_closes_no_pull_request(clone: Clone, forge: MemoryForge, registry: LocalRegistry) -> None:
    update(clone)
    before = clone.heads()
    registry.status = 403
    ran = clone.update("--json")
    assert (ran.code, json.loads(ran.out)["groups"]) == (0, [])
    assert "cannot find updates of the base image" in ran.err
    assert "answers HTTP 403" in ran.err
    assert (clone.heads(), forge.closed) == (before, set())


def test_a_pull_request_is_closed_with_a_reason_once_the_image_is_current(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry
) -> None:
    update(clone)
    rewrite(clone, written(registry, "3.11.9-slim"))
    assert update(clone)[0] == {"base-images": "closed"}
    assert forge.comments[1] == [f"Done: main has {registry.host}/library/python 3.11.9-slim."]


def test_the_cut_off_stays_if_no_package_needs_a_later_one(
    clone: Clone, forge: MemoryForge, registry: LocalRegistry
) -> None:
    text = written(registry, "3.11.4-slim", "[update]\nmove-exclude-newer = true\n")
    rewrite(clone, text.replace('python = "3.11"', 'python = "3.11"\nexclude-newer = 2025-02-01T00:00:00Z'))
    assert update(clone)[0] == {"base-images": "created"}
    assert "exclude-newer" not in forge.requests[1].body
