"""The environment of `lockgen update`: rules of a remote, merges, moved projects, other bases, settings of git."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.forges import PATH, TOKEN, ForgeServer, serving_forge
from support.index import LocalIndex
from support.project import Project, Ran
from support.registry import LocalRegistry, serving
from support.remotes import Clone, MemoryForge, cloned, git
from update.conftest import FAMILY

from lockgen.update.forges.locate import connect
from lockgen.update.forges.model import ForgeKind, RemoteLocation, Token


def results(ran: Ran) -> dict[str, Any]:
    return {group["group"]: group for group in json.loads(ran.out)["groups"]}


def groups(clone: Clone, *arguments: str, at: Path | None = None) -> dict[str, Any]:
    """The report of a run without faults, by group."""
    where = ["--project", str(at)] if at is not None else []
    ran = clone.project.run(*where, "update", "--no-audit", "--json", *arguments)
    assert ran.code == 0, ran.err
    return results(ran)


def outcomes(clone: Clone, *arguments: str, at: Path | None = None) -> dict[str, str]:
    return {name: group["outcome"] for name, group in groups(clone, *arguments, at=at).items()}


def bump_by_hand(clone: Clone, *wishes: str) -> None:
    clone.project.ok("bump", *wishes)
    clone.commit("by hand")


def merge(clone: Clone, branch: str) -> None:
    """Merge as the button on a forge does, with a merge commit."""
    clone.git("fetch", "-q", "origin", branch)
    clone.git("merge", "-q", "--no-ff", "-m", f"merge {branch}", "FETCH_HEAD")
    clone.git("push", "-q", "origin", "HEAD:main")


def policy(clone: Clone, text: str) -> None:
    clone.project.write(FAMILY + text)
    clone.commit("a policy")


@pytest.fixture(params=["github", "gitlab"])
def served(request: pytest.FixtureRequest, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeServer]:
    """The real clients, with a forge on loopback."""
    kind: ForgeKind = request.param
    variable = "GITHUB_TOKEN" if kind == "github" else "GITLAB_TOKEN"
    monkeypatch.setenv("GITHUB_REPOSITORY", PATH)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr("lockgen.update.command.take_tokens", lambda: {"github": Token(TOKEN, variable)})
    with serving_forge(kind) as server:
        place = RemoteLocation(kind, server.url, PATH)
        monkeypatch.setattr("lockgen.update.command.connect", lambda _, token, base: connect(place, token, base))
        yield server
        assert server.wrong == []


# -- rules of the remote ------------------------------------------------


def test_a_branch_that_cannot_be_deleted_does_not_stop_the_run(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    groups(clone)
    git(clone.remote, "config", "receive.denyDeletes", "true")
    bump_by_hand(clone, "numpy==1.1")
    index.add("speech", "1.1", ["numpy<2"])
    for numpy, speech in (("closed", "created"), ("failed", "unchanged")):
        ran = clone.update("--json")
        found = results(ran)
        assert ran.code == 4
        assert {name: group["outcome"] for name, group in found.items()} == {"numpy": numpy, "speech": speech}
        assert "the remote rejected the deletion of lockgen/numpy" in ran.err
        assert "delete it by hand" in ran.err
        assert "no pull request was opened" not in ran.err
    assert forge.closed == {1}


@pytest.mark.parametrize("lags", [True, False])
def test_a_lagging_mirror_is_not_mistaken_for_another_run(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path, lags: bool
) -> None:
    mirror = tmp_path / "mirror.git"
    git(tmp_path, "clone", "-q", "--mirror", str(clone.remote), str(mirror))
    clone.git("remote", "set-url", "origin", str(mirror))
    clone.git("remote", "set-url", "--push", "origin", str(clone.remote))
    assert outcomes(clone) == {"numpy": "created"}
    if not lags:
        git(mirror, "remote", "update")
    index.add("numpy", "1.2")
    ran = clone.update("--json")
    assert results(ran)["numpy"]["outcome"] == ("failed" if lags else "refreshed")
    assert ("differs between the fetch address and the push address of origin" in ran.err) == lags


# -- unavailable sources ---------------------------------------------------------


def test_a_registry_failure_keeps_a_pull_request_with_another_registrys_image(
    index: LocalIndex, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("numpy", "speech", "tokens"):
        index.add(name, "1.0")
    with serving(LocalRegistry()) as one, serving(LocalRegistry()) as two:
        for registry in (one, two):
            registry.add("library/python", "3.11.4-slim", "3.11.9-slim")
        own = f'\n[variants.slow]\nfrom = "{two.host}/library/python:3.11.4-slim"\n'
        project.write(FAMILY.replace("python:3.11-slim", f"{one.host}/library/python:3.11.4-slim") + own)
        project.ok("resolve")
        clone = cloned(project, tmp_path)
        made = MemoryForge(clone.remote)
        monkeypatch.setattr("lockgen.update.command.connect", lambda *_: made)
        monkeypatch.setattr("lockgen.update.command.take_tokens", lambda: {"github": Token("t", "GITHUB_TOKEN")})
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("GITHUB_REPOSITORY", "ada/voices")
        assert outcomes(clone) == {"base-images": "created"}
        before = made.requests[1], clone.heads()
        two.status = 403
        found = groups(clone)["base-images"]
        assert (found["outcome"], found["why"]) == (
            "unchanged",
            "not changed: a registry or an index did not answer",
        )
        assert (made.requests[1], clone.heads()) == before


def test_a_dry_run_moves_no_remote_tracking_branch(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(clone.remote), str(other))
    groups(clone)
    clone.project.write("hello\n", "README.txt")
    clone.commit("a note")
    refs = git(other, "for-each-ref")
    assert outcomes(clone, "--dry-run", at=other) == {"numpy": "refreshed"}
    assert git(other, "for-each-ref") == refs


# -- foreign commits -------------------------------------------------------


def test_the_advice_about_a_foreign_commit_works(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    groups(clone)
    ours = clone.heads()["lockgen/numpy"]
    clone.add_commit("lockgen/numpy")
    index.add("numpy", "1.2")
    assert "Remove that commit, and the next run refreshes the branch" in groups(clone)["numpy"]["why"]
    clone.git("push", "-qf", "origin", f"{ours}:refs/heads/lockgen/numpy")
    assert outcomes(clone) == {"numpy": "refreshed"}
    assert forge.requests[1].title == "update numpy 1.0 -> 1.2"


def test_a_merged_foreign_commit_does_not_block_updates(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    groups(clone)
    clone.add_commit("lockgen/numpy")
    merge(clone, "lockgen/numpy")
    forge.done.add(1)
    assert outcomes(clone) == {}
    assert "lockgen/numpy" in clone.heads()  # who made it may remove it
    index.add("numpy", "1.2")
    assert outcomes(clone) == {"numpy": "created"}
    assert forge.requests[2].mark == clone.heads()["lockgen/numpy"]


def test_a_shallow_clone_does_not_count_a_foreign_commit_as_merged(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    groups(clone)
    theirs = clone.add_commit("lockgen/numpy")
    merge(clone, "lockgen/numpy")
    forge.done.add(1)
    index.add("numpy", "1.2")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{clone.remote}", str(shallow))
    assert outcomes(clone, at=shallow) == {"numpy": "foreign"}
    assert clone.heads()["lockgen/numpy"] == theirs


def test_a_copy_of_lockgens_commit_on_another_branch_is_foreign(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    clone.git("fetch", "-q", "origin", "lockgen/numpy")
    clone.git("push", "-q", "origin", "FETCH_HEAD:refs/heads/lockgen/numpy-mine")
    assert outcomes(clone) == {"numpy": "unchanged"}
    bump_by_hand(clone, "numpy==1.1")
    assert outcomes(clone) == {"numpy": "closed"}
    assert set(clone.heads()) == {"main", "lockgen/numpy-mine"}


@pytest.mark.parametrize("name", ["lockgen/main", "lockgen/numpy"])
def test_a_base_branch_under_the_prefix_is_left_alone(clone: Clone, forge: MemoryForge, name: str) -> None:
    """Even if it has the name of a group, and lockgen's commit on top."""
    groups(clone)
    forge.done.add(1)
    clone.git("fetch", "-q", "origin", "lockgen/numpy")
    clone.git("push", "-qf", "origin", f"FETCH_HEAD:refs/heads/{name}")
    clone.project.write(FAMILY + f'[update]\nbase = "{name}"\n')
    clone.git("commit", "-qam", "a base")
    before = clone.heads()
    assert outcomes(clone) == ({"numpy": "closed"} if name == "lockgen/main" else {})
    assert clone.heads()[name] == before[name]


def test_a_group_named_like_the_base_branch_needs_another_prefix(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    clone.project.write(FAMILY + '[update]\nbase = "lockgen/numpy"\n')
    clone.commit("a base")
    clone.git("push", "-q", "origin", "HEAD:refs/heads/lockgen/numpy")
    found = groups(clone)["numpy"]
    assert (found["outcome"], "another prefix" in found["why"]) == ("foreign", True)


# -- other bases -------------------------------------------------------------------


def test_a_pull_request_to_another_base_is_left_alone(clone: Clone, served: ForgeServer, index: LocalIndex) -> None:
    groups(clone)
    served.requests[1]["base"] = "release"
    index.add("numpy", "1.2")
    before = clone.heads(), dict(served.requests[1])
    found = groups(clone)["numpy"]
    assert found["outcome"] == "foreign"
    assert found["why"] == "its pull request targets release: close it, or change its target to main"
    bump_by_hand(clone, "numpy==1.2")
    assert groups(clone)["numpy"]["why"] == found["why"]
    assert (clone.heads()["lockgen/numpy"], served.requests[1]) == (before[0]["lockgen/numpy"], before[1])
    assert served.comments[1] == []


def test_a_changed_base_is_reported_and_closing_the_old_pull_request_helps(clone: Clone, served: ForgeServer) -> None:
    groups(clone)
    clone.project.write(FAMILY + '[update]\nbase = "develop"\n')
    clone.git("commit", "-qam", "another base")
    clone.git("push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/develop")
    assert groups(clone)["numpy"]["why"] == "its pull request targets main: close it, or change its target to develop"
    served.requests[1]["state"] = "closed"
    assert outcomes(clone) == {"numpy": "created"}
    assert (served.requests[2]["branch"], served.comments[1]) == ("lockgen/numpy", [])


# -- how many are open ---------------------------------------------------------------


def test_a_merged_branch_does_not_count_without_a_forge(clone: Clone, index: LocalIndex) -> None:
    index.add("tokens", "1.1")
    policy(clone, "[update]\nmax-open = 1\n")
    assert outcomes(clone, "--no-forge") == {"numpy": "created", "tokens": "limited"}
    merge(clone, "lockgen/numpy")
    assert outcomes(clone, "--no-forge") == {"tokens": "created"}
    index.add("numpy", "1.2")
    assert outcomes(clone, "--no-forge") == {"numpy": "limited", "tokens": "unchanged"}


def test_a_pull_request_closed_in_this_run_makes_room_for_another(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    policy(clone, "[update]\nmax-open = 1\n")
    groups(clone)
    bump_by_hand(clone, "numpy==1.1")
    index.add("tokens", "1.1")
    assert outcomes(clone) == {"tokens": "created", "numpy": "closed"}


# -- close reasons -----------------------------------------------------------------


def close_reason(clone: Clone, forge: MemoryForge, group: str = "numpy") -> str:
    """The close reason of ``group``, which the report and the pull request share."""
    found = groups(clone)[group]
    assert found["outcome"] == "closed"
    (number,) = forge.closed
    (comment,) = forge.comments[number]
    assert comment.replace("\\", "") == found["why"]
    return str(found["why"])


def test_a_renamed_group_names_the_new_branch(clone: Clone, forge: MemoryForge) -> None:
    policy(clone, '[update.groups.sound]\npackages = ["numpy", "speech"]\n')
    groups(clone)
    policy(clone, '[update.groups.audio]\npackages = ["numpy", "speech"]\n')
    assert close_reason(clone, forge, "sound") == "Superseded: numpy now moves with audio, on the branch lockgen/audio."


def test_a_branch_that_was_not_created_is_not_named(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    groups(clone)
    index.add("tokens", "1.1")
    policy(clone, '[update]\nmax-open = 1\n[update.groups.voice]\npackages = ["numpy"]\n')
    assert close_reason(clone, forge) == "Superseded: numpy now moves with the group voice."
    assert set(clone.heads()) == {"main", "lockgen/tokens"}


def test_a_newer_pin_made_by_hand_is_named(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    groups(clone)
    index.add("numpy", "1.2")
    bump_by_hand(clone, "numpy==1.2")
    assert close_reason(clone, forge) == "Done: main has numpy 1.2."


def test_a_release_that_is_now_ignored_is_named_with_the_reason(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    policy(clone, '[update]\nignore = [{ package = "numpy", reason = "it hangs, says @grace" }]\n')
    word = "Superseded: [update] holds numpy 1.1 back: ignored: it hangs, says"
    assert groups(clone)["numpy"]["why"] == f"{word} @grace."
    assert forge.comments[1][0].startswith(word.replace("[", "\\[").replace("]", "\\]"))
    assert "@grace" not in forge.comments[1][0]


def test_a_held_pin_is_named(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    clone.project.write(FAMILY.replace('numpy = "1.0" ', 'numpy = { version = "1.0", held = true } '))
    clone.project.ok("resolve")
    clone.commit("held")
    assert close_reason(clone, forge) == "Superseded: versions.toml now holds numpy, so lockgen does not move it."


def test_a_removed_pin_is_named(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    clone.project.write(FAMILY.replace('numpy = "1.0"  ', "#").replace('packages = ["numpy"]', "packages = []"))
    clone.project.ok("resolve")
    clone.commit("no pin")
    assert close_reason(clone, forge) == "Superseded: versions.toml no longer pins numpy."


def test_a_withdrawn_release_is_named(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    groups(clone)
    name = next(name for name in index.pages["numpy"] if "-1.1-" in name)
    index.pages["numpy"][name]["yanked"] = True
    assert close_reason(clone, forge) == "Superseded: numpy 1.1 was withdrawn from its index."


def test_a_branch_left_after_a_merge_is_reported_as_merged(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    clone.git("fetch", "-q", "origin", "lockgen/numpy")
    clone.git("merge", "-q", "--squash", "FETCH_HEAD")
    clone.commit("squashed")
    forge.done.add(1)
    found = groups(clone)["numpy"]
    assert (found["outcome"], found["why"], found["url"]) == (
        "closed",
        "Merged: the branch was left over.",
        forge.requests[1].url,
    )
    assert "lockgen/numpy" not in clone.heads()
    assert forge.comments == {}


def test_a_reopened_pull_request_gets_a_second_comment(clone: Clone, served: ForgeServer) -> None:
    groups(clone)
    bump_by_hand(clone, "numpy==1.1")
    assert outcomes(clone) == {"numpy": "closed"}
    served.requests[1]["state"] = "open"
    clone.git("revert", "--no-edit", "HEAD")
    clone.git("push", "-q", "origin", "HEAD:main")
    assert outcomes(clone) == {"numpy": "refreshed"}
    bump_by_hand(clone, "numpy==1.1")
    assert outcomes(clone) == {"numpy": "closed"}
    assert [said.partition("\n")[0] for said in served.comments[1]] == ["Done: main has numpy 1.1."] * 2


# -- outdated pull requests -------------------------------------------


def test_an_open_pull_request_says_that_it_no_longer_resolves_until_it_does(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    groups(clone)
    first = forge.requests[1]
    index.add("speech", "1.0.1", ["numpy==1.0"])
    clone.project.write(FAMILY.replace('speech = "1.0"', 'speech = { version = "1.0.1", held = true }'))
    clone.project.ok("resolve")
    clone.commit("held")
    assert outcomes(clone, "--dry-run") == {"numpy": "unresolved"}
    assert forge.requests[1] == first
    assert outcomes(clone) == {"numpy": "unresolved"}
    body = forge.requests[1].body
    assert body.startswith(
        "**This update was resolved on an older `main`. It does not resolve on the current one:**\n\n```"
    )
    assert "requires numpy==1.0" in body.partition("<!--")[0]
    assert body.partition("-->\n\n")[2].partition("<!--")[0] == first.body.partition("<!--")[0]
    assert (forge.requests[1].mark, forge.requests[1].moves) == ("0" * 40, first.moves)
    forge.steps.done.clear()
    assert outcomes(clone) == {"numpy": "unresolved"}
    assert forge.steps.done == []
    clone.project.write(FAMILY + '[update]\nignore = [{ package = "speech" }]\n')
    clone.project.ok("resolve")
    clone.commit("free again")
    assert outcomes(clone) == {"numpy": "refreshed"}
    assert "cannot be resolved" not in forge.requests[1].body
    assert forge.requests[1].mark == clone.heads()["lockgen/numpy"]


# -- projects that move ----------------------------------------------------------------


def test_a_project_that_moved_to_a_folder_keeps_its_branches(clone: Clone, forge: MemoryForge) -> None:
    groups(clone)
    clone.git("rm", "-rq", "--cached", ".")
    (clone.root / "family").mkdir()
    for path in [path for path in clone.root.iterdir() if path.name not in {".git", "family", ".lockgen"}]:
        path.rename(clone.root / "family" / path.name)
    clone.commit("into a folder")
    assert outcomes(clone, at=clone.root / "family") == {"numpy": "refreshed"}
    assert 'numpy = "1.1"' in clone.show("lockgen/numpy", "family/versions.toml")


# -- settings of the user's git ----------------------------------------------------------


@pytest.mark.parametrize("settings", [{"push.gpgSign": "true"}, {"core.autocrlf": "true"}, {"core.eol": "crlf"}])
def test_the_users_git_settings_do_not_change_the_result(
    clone: Clone, forge: MemoryForge, settings: dict[str, str]
) -> None:
    if "core.eol" in settings:
        clone.project.write("* text\n", ".gitattributes")
        clone.commit("attributes")
    for name, value in settings.items():
        clone.git("config", name, value)
    ran = clone.update("--json")
    assert (ran.code, results(ran)["numpy"]["outcome"]) == (0, "created")
    assert "edited by hand" not in ran.err
    changed = git(clone.remote, "diff", "--stat", "main", "lockgen/numpy", "--", "versions.toml")
    assert "2 +-" in changed


def test_a_sparse_clone_is_supported(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    git(tmp_path, "clone", "-q", "--sparse", f"file://{clone.remote}", str(sparse))
    git(sparse, "sparse-checkout", "set", "--no-cone", "/versions.toml")
    there = git(sparse, "ls-files", "-t")
    assert outcomes(clone, at=sparse) == {"numpy": "created"}
    changed = git(clone.remote, "diff", "--name-status", "main", "lockgen/numpy").splitlines()
    assert [line for line in changed if line.startswith("D")] == []
    assert git(sparse, "ls-files", "-t") == there


# -- Ctrl-C ------------------------------------------------------------------------------


def test_pull_requests_opened_before_ctrl_c_are_reported(
    clone: Clone, forge: MemoryForge, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lockgen.update.group_run import GroupRun

    index.add("tokens", "1.1")
    real = GroupRun.prepare

    def stops(self: GroupRun, group: Any, folder: str) -> Any:
        if group.name == "tokens":
            raise KeyboardInterrupt
        return real(self, group, folder)

    monkeypatch.setattr(GroupRun, "prepare", stops)
    ran = clone.update("--json")
    assert ran.code == 130
    assert {name: group["outcome"] for name, group in results(ran).items()} == {"numpy": "created"}
    assert results(ran)["numpy"]["url"] == forge.requests[1].url
    assert clone.git("worktree", "list").count("\n") == 0


def test_a_refused_label_is_a_fault_but_does_not_fail_the_group(
    clone: Clone, forge: MemoryForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lockgen.errors import Refused

    def refuses(*_: object) -> None:
        raise Refused("GitHub does not accept it: label pull request 1")

    with monkeypatch.context() as patched:
        patched.setattr(forge, "label", refuses)
        ran = clone.update("--json")
        assert (ran.code, results(ran)["numpy"]["outcome"]) == (4, "created")
    assert outcomes(clone) == {"numpy": "unchanged"}
    assert forge.requests[1].labels == {"dependencies"}
    forge.requests[1] = replace(forge.requests[1], labels=frozenset())
    assert outcomes(clone, "--dry-run") == {"numpy": "unchanged"}
    assert forge.requests[1].labels == frozenset()
