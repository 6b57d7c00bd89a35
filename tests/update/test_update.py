"""`lockgen update` on a clone of a bare repository, with real git and real uv."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.index import LocalIndex
from support.osv import before, record
from support.remotes import Clone, MemoryForge, git
from support.tiny import add_torch
from update.conftest import FAMILY


def outcomes(clone: Clone, *arguments: str) -> dict[str, str]:
    ran = clone.update("--json", *arguments)
    assert ran.code == 0, ran.err
    return {group["group"]: group["outcome"] for group in json.loads(ran.out)["groups"]}


def test_a_new_release_becomes_a_branch_that_passes_check_and_a_pull_request(
    clone: Clone, forge: MemoryForge, tmp_path: Path
) -> None:
    before = clone.heads()
    assert outcomes(clone) == {"numpy": "created"}
    (request,) = forge.requests.values()
    assert request.title == "update numpy 1.0 -> 1.1"
    assert request.branch == "lockgen/numpy"
    assert request.labels == {"dependencies"}
    assert "| numpy | 1.0 | 1.1 |" in request.body
    assert "lockgen bump numpy==1.1" in request.body
    heads = clone.heads()
    assert heads.pop("lockgen/numpy") == request.mark
    assert heads == before
    assert 'numpy = "1.1"                # old, but known' in clone.show("lockgen/numpy", "versions.toml")
    assert clone.message("lockgen/numpy").splitlines()[0] == "update numpy 1.0 -> 1.1"
    there = tmp_path / "reviewed"
    git(tmp_path, "clone", "-q", "-b", "lockgen/numpy", str(clone.remote), str(there))
    checked = clone.project.run("--project", str(there), "check")
    assert (checked.code, checked.out) == (0, "")


def test_again_there_is_nothing_new_and_a_newer_release_refreshes_the_same(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    outcomes(clone)
    first, request = clone.heads(), forge.requests[1]
    assert outcomes(clone) == {"numpy": "unchanged"}
    assert (clone.heads(), forge.requests) == (first, {1: request})
    index.add("numpy", "1.2")
    assert outcomes(clone) == {"numpy": "refreshed"}
    assert list(forge.requests) == [1]
    assert forge.requests[1].title == "update numpy 1.0 -> 1.2"
    assert forge.requests[1].mark == clone.heads()["lockgen/numpy"]
    assert git(clone.remote, "rev-list", "--count", "main..lockgen/numpy") == "1"


def test_a_base_that_moved_on_refreshes_it_on_top(clone: Clone, forge: MemoryForge) -> None:
    outcomes(clone)
    clone.project.write("hello\n", "README.txt")
    clone.commit("a note")
    assert outcomes(clone) == {"numpy": "refreshed"}
    assert git(clone.remote, "rev-parse", "lockgen/numpy^") == clone.heads()["main"]


def test_a_foreign_commit_is_never_overwritten(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    outcomes(clone)
    theirs = clone.add_commit("lockgen/numpy")
    index.add("numpy", "1.2")
    assert outcomes(clone) == {"numpy": "foreign"}
    assert clone.heads()["lockgen/numpy"] == theirs


@pytest.mark.parametrize("change", ["amended", "reworded", "rebased"])
def test_an_amended_commit_is_never_overwritten(
    clone: Clone, forge: MemoryForge, index: LocalIndex, change: str
) -> None:
    outcomes(clone)
    clone.git("fetch", "-q", "origin", "lockgen/numpy")
    clone.git("checkout", "-q", "FETCH_HEAD")
    if change == "amended":
        clone.project.write("mine\n", "mine.txt")
        clone.git("add", "-A")
        clone.git("commit", "-q", "--amend", "--no-edit")
    elif change == "reworded":
        said = clone.git("log", "-1", "--format=%B").replace("update numpy", "my update of numpy")
        clone.git("commit", "-q", "--amend", "-m", said)
    else:
        clone.git("checkout", "-q", "main")
        clone.git("commit", "-q", "--allow-empty", "-m", "mine")
        clone.git("cherry-pick", "FETCH_HEAD")
    clone.git("push", "-qf", "origin", "HEAD:lockgen/numpy")
    theirs = clone.heads()["lockgen/numpy"]
    clone.git("checkout", "-q", "-f", "-B", "main", "origin/main")
    index.add("numpy", "1.2")
    assert outcomes(clone) == {"numpy": "foreign"}
    assert clone.heads()["lockgen/numpy"] == theirs


def test_an_unresolved_group_opens_nothing_and_the_others_go_on(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    index.add("speech", "2.0", ["numpy>=1.1"])
    ran = clone.update("--json")
    results = {group["group"]: group for group in json.loads(ran.out)["groups"]}
    assert {name: group["outcome"] for name, group in results.items()} == {"numpy": "created", "speech": "unresolved"}
    said = "speech 2.0 (required by asr) requires numpy>=1.1; [pins] line 9 pins numpy to 1.0"
    assert said in results["speech"]["why"]
    assert "lockgen/speech" not in clone.heads()
    assert [request.branch for request in forge.requests.values()] == ["lockgen/numpy"]


def test_the_latest_compatible_version_is_chosen(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    """numpy 3.0 is newer, but speech excludes it."""
    index.add("numpy", "3.0")
    outcomes(clone)
    assert forge.requests[1].title == "update numpy 1.0 -> 1.1"


def test_a_superseded_pull_request_is_closed_with_a_reason(clone: Clone, forge: MemoryForge) -> None:
    outcomes(clone)
    clone.project.ok("bump", "numpy==1.1")
    clone.commit("numpy by hand")
    assert outcomes(clone) == {"numpy": "closed"}
    assert forge.closed == {1}
    assert forge.comments[1] == ["Done: main has numpy 1.1."]
    assert "lockgen/numpy" not in clone.heads()
    assert outcomes(clone) == {}


def test_the_group_that_a_move_joined_is_named(clone: Clone, forge: MemoryForge) -> None:
    outcomes(clone)
    clone.project.write(FAMILY + '[update.groups.sound]\npackages = ["numpy", "speech"]\n')
    clone.commit("a group")
    assert outcomes(clone) == {"numpy": "closed", "sound": "created"}
    assert forge.comments[1] == ["Superseded: numpy now moves with sound, on the branch lockgen/sound."]


def test_a_declined_update_is_not_proposed_until_there_is_a_newer_one(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    outcomes(clone)
    forge.closed.add(1)
    assert outcomes(clone) == {"numpy": "declined"}
    git(clone.remote, "branch", "-D", "lockgen/numpy")
    assert outcomes(clone) == {"numpy": "declined"}
    index.add("numpy", "1.2")
    assert outcomes(clone) == {"numpy": "created"}
    assert forge.requests[2].title == "update numpy 1.0 -> 1.2"


def test_the_limit_of_open_pull_requests(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    index.add("tokens", "1.1")
    clone.project.write(FAMILY + "[update]\nmax-open = 1\n")
    clone.commit("one at a time")
    assert outcomes(clone) == {"numpy": "created", "tokens": "limited"}
    assert outcomes(clone) == {"numpy": "unchanged", "tokens": "limited"}


def test_the_limit_of_branches_without_a_forge(clone: Clone, index: LocalIndex) -> None:
    index.add("tokens", "1.1")
    clone.project.write(FAMILY + "[update]\nmax-open = 1\n")
    clone.commit("one at a time")
    assert outcomes(clone, "--no-forge") == {"numpy": "created", "tokens": "limited"}
    assert outcomes(clone, "--no-forge") == {"numpy": "unchanged", "tokens": "limited"}


@pytest.mark.parametrize("state", ["changed", "new", "staged", "merge"])
def test_a_dirty_tree_and_an_unfinished_merge_are_refused(clone: Clone, forge: MemoryForge, state: str) -> None:
    if state == "merge":
        (clone.root / ".git/MERGE_HEAD").write_text(clone.heads()["main"] + "\n")
    else:
        clone.project.write(
            FAMILY + "\n# mine\n" if state == "changed" else "x\n", "versions.toml" if state == "changed" else "x"
        )
    if state == "staged":
        clone.git("add", "x")
    before = clone.project.tree
    ran = clone.update()
    assert ran.code == 2
    assert ("a merge is not finished" if state == "merge" else "uncommitted changes") in ran.err
    assert (clone.project.tree, list(clone.heads()), forge.requests) == (before, ["main"], {})


def test_a_dry_run_shows_everything_and_touches_nothing(clone: Clone, forge: MemoryForge) -> None:
    refs, tree, heads = clone.git("for-each-ref"), clone.project.tree, clone.heads()
    ran = clone.update("--dry-run")
    assert ran.code == 0, ran.err
    assert "numpy: created, update numpy 1.0 -> 1.1" in ran.out
    assert "| ### Reproduce" in ran.out
    assert (clone.git("for-each-ref"), clone.project.tree, clone.heads()) == (refs, tree, heads)
    assert forge.requests == {}
    assert clone.git("worktree", "list").count("\n") == 0


def test_only_branches_are_pushed_without_a_forge(clone: Clone) -> None:
    assert outcomes(clone, "--no-forge") == {"numpy": "created"}
    assert set(clone.heads()) == {"main", "lockgen/numpy"}
    assert outcomes(clone, "--no-forge") == {"numpy": "unchanged"}


def test_branches_are_made_in_the_clone_without_a_remote(clone: Clone) -> None:
    assert outcomes(clone, "--no-forge", "--remote", ".") == {"numpy": "created"}
    assert "lockgen/numpy" in clone.git("branch", "--list", "--format=%(refname:short)").splitlines()
    assert set(clone.heads()) == {"main"}


def test_the_users_tree_index_and_branches_stay_as_they_are(clone: Clone, forge: MemoryForge) -> None:
    clone.git("checkout", "-q", "-b", "mine")
    refs, tree, stage = clone.git("for-each-ref", "refs/heads"), clone.project.tree, clone.git("ls-files", "-s")
    (clone.root / ".git/hooks/pre-push").write_text("#!/bin/sh\nexit 1\n")
    (clone.root / ".git/hooks/pre-push").chmod(0o755)
    outcomes(clone)
    assert clone.git("for-each-ref", "refs/heads") == refs
    assert (clone.project.tree, clone.git("ls-files", "-s")) == (tree, stage)
    assert clone.git("symbolic-ref", "HEAD") == "refs/heads/mine"


def test_a_rejected_push_is_reported_and_nothing_is_opened(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    index.add("tokens", "1.1")
    hook = clone.remote / "hooks/update"
    hook.write_text('#!/bin/sh\ncase "$1" in *numpy) echo "no numpy here" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    ran = clone.update()
    assert ran.code == 4
    assert "the remote rejected lockgen/numpy" in ran.err
    assert "no numpy here" in ran.err
    assert [request.branch for request in forge.requests.values()] == ["lockgen/tokens"]


def test_the_second_of_two_concurrent_runs_opens_nothing(
    clone: Clone, forge: MemoryForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run creates the branch after this run has read the remote."""
    from lockgen.update.clone import Clone as Real

    push = Real.push
    inner: list[dict[str, str]] = []

    def beaten(self: Real, branch: str, commit: str, old: str | None) -> bool:
        monkeypatch.setattr(Real, "push", push)
        monkeypatch.setenv("GIT_AUTHOR_NAME", "another runner")
        inner.append(outcomes(clone))
        return push(self, branch, commit, old)

    monkeypatch.setattr(Real, "push", beaten)
    assert outcomes(clone) == {"numpy": "beaten"}
    assert inner == [{"numpy": "created"}]
    assert forge.opened_ever == 1
    assert outcomes(clone) == {"numpy": "unchanged"}


def test_a_shallow_clone_is_supported(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    outcomes(clone)
    clone.project.write("hello\n", "README.txt")
    clone.commit("a note")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{clone.remote}", str(shallow))
    ran = clone.project.run("--project", str(shallow), "update", "--no-audit", "--json")
    assert ran.code == 0, ran.err
    assert [group["outcome"] for group in json.loads(ran.out)["groups"]] == ["refreshed"]


def test_a_project_in_a_folder_of_the_repository_is_supported(clone: Clone, forge: MemoryForge) -> None:
    clone.git("rm", "-rq", "--cached", ".")
    (clone.root / "family").mkdir()
    for path in [path for path in clone.root.iterdir() if path.name not in {".git", "family", ".lockgen"}]:
        path.rename(clone.root / "family" / path.name)
    clone.commit("into a folder")
    ran = clone.project.run("--project", str(clone.root / "family"), "update", "--no-audit", "--json")
    assert ran.code == 0, ran.err
    assert [group["outcome"] for group in json.loads(ran.out)["groups"]] == ["created"]
    assert 'numpy = "1.1"' in clone.show("lockgen/numpy", "family/versions.toml")


def test_held_back_releases_are_reported(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    index.add("tokens", "2.0")
    index.add("speech", "1.1", ["numpy<2"], uploaded="2999-01-01T00:00:00Z")
    policy = 'steps = ["patch", "minor"]\ncooldown = 7\nignore = [{ package = "numpy", reason = "not now" }]\n'
    clone.project.write(FAMILY + "[update]\n" + policy)
    clone.commit("a policy")
    ran = clone.update("--json")
    held = {(one["name"], one["version"]): one["why"] for one in json.loads(ran.out)["held-back"]}
    assert held == {
        ("numpy", "1.1"): "ignored: not now",
        ("tokens", "2.0"): "a major step, but the group allows patch, minor",
        ("speech", "1.1"): "cooldown of 7 days until 2999-01-08",
    }
    assert json.loads(ran.out)["groups"] == []


def test_a_cooldown_on_an_index_without_upload_times(
    clone: Clone, forge: MemoryForge, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entry in index.pages["numpy"].values():
        entry.pop("upload-time")
    clone.project.write(FAMILY + "[update]\ncooldown = 7\n")
    clone.commit("a cooldown")
    assert outcomes(clone) == {}
    record: dict[str, Any] = json.loads(clone.show("lockgen/first-seen", "locks/first-seen.json"))
    assert list(record["seen"]["numpy"]) == ["1.1"]
    kept = clone.heads()["lockgen/first-seen"]
    assert outcomes(clone) == {}
    assert clone.heads()["lockgen/first-seen"] == kept
    monkeypatch.setattr("lockgen.update.update_scan.now", lambda: _later(8))
    assert outcomes(clone) == {"numpy": "created"}


def _later(days: int) -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(days=days)


def weak_numpy(folder: Path) -> Path:
    """A dump of OSV: numpy 1.1 fixes a vulnerability."""
    dump = folder / "osv"
    dump.mkdir()
    found = record("GHSA-aaaa-bbbb-cccc", "numpy", *before("1.1"), aliases=["CVE-2025-1"], summary="numbers leak")
    (dump / "one.json").write_text(json.dumps(found))
    return dump


def test_a_security_fix_ignores_the_cooldown(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    dump = weak_numpy(tmp_path)
    clone.project.write(FAMILY + "[update]\ncooldown = 3000\n")
    clone.commit("a long cooldown")
    assert outcomes(clone) == {}
    ran = clone.project.run("update", "--json", "--database", str(dump))
    assert ran.code == 0, ran.err
    (request,) = forge.requests.values()
    assert request.title == "security: update numpy 1.0 -> 1.1"
    assert "vulnerability/GHSA-aaaa-bbbb-cccc)" in request.body
    assert "numbers leak" in request.body


def test_a_missing_token_is_reported_with_the_name_of_the_variable(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/voices")
    clone.project.write(FAMILY + '[update]\nforge = "github"\n')
    clone.commit("a forge")
    ran = clone.update()
    assert ran.code == 2
    assert "set GITHUB_TOKEN or GH_TOKEN in the environment" in ran.err


@pytest.mark.parametrize("moves", [True, False])
def test_the_cut_off_moves_only_if_the_policy_allows_it(
    clone: Clone, forge: MemoryForge, index: LocalIndex, moves: bool
) -> None:
    text = FAMILY.replace('python = "3.11"\n', 'python = "3.11"\nexclude-newer = 2025-02-01T00:00:00Z\n', 1)
    clone.project.write(text + f"[update]\nmove-exclude-newer = {str(moves).lower()}\n")
    clone.project.ok("resolve")
    clone.commit("a cut-off")
    index.add("tokens", "1.1", uploaded="2025-03-01T10:00:00Z")
    found = outcomes(clone)
    assert found == ({"numpy": "created", "tokens": "created"} if moves else {"numpy": "created"})
    if moves:
        request = next(one for one in forge.requests.values() if one.branch == "lockgen/tokens")
        assert request.title == "update tokens 1.0 -> 1.1"
        assert "lockgen bump --exclude-newer 2025-03-01T10:00:01Z tokens==1.1" in request.body
        assert "exclude-newer = 2025-03-01T10:00:01Z" in clone.show("lockgen/tokens", "versions.toml")
        assert "exclude-newer = 2025-02-01T00:00:00Z" in clone.show("lockgen/numpy", "versions.toml")
        assert outcomes(clone) == {"numpy": "unchanged", "tokens": "unchanged"}


def test_unavailable_advisories_are_reported(clone: Clone, forge: MemoryForge) -> None:
    ran = clone.project.run("update", "--json", "--api", "http://127.0.0.1:9")
    assert ran.code == 0, ran.err
    assert "cannot read advisories" in ran.err
    assert [one.title for one in forge.requests.values()] == ["update numpy 1.0 -> 1.1"]


TORCH = """\
[family]
name = "voices"
python = "3.11"

[index.cu121]
url = "{url}/whl/cu121"
packages = ["torch"]

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = {{ torch = "2.5.1+cu121" }}

[pins]
numpy = "1.0"

[bases.base]
packages = ["torch", "numpy"]

[update]
ignore = [{{ package = "numpy" }}]
"""


def test_torch_keeps_its_accelerator_on_its_own_index(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    add_torch(index, "2.5.1+cu121")
    clone.project.write(TORCH.format(url=index.url.removesuffix("/simple")))
    clone.project.ok("resolve")
    clone.commit("torch")
    assert outcomes(clone) == {}
    for version in ("2.6.0+cu121", "2.6.0+cu124", "2.7.0+cu124"):
        add_torch(index, version)
    ran = clone.update("--json")
    results = {group["group"]: group for group in json.loads(ran.out)["groups"]}
    assert results["torch"]["title"] == "update torch 2.5.1+cu121 -> 2.6.0+cu121", ran.out
    assert "lockgen bump torch==2.6.0+cu121" in forge.requests[1].body
    assert 'pins = { torch = "2.6.0+cu121" }' in clone.show("lockgen/torch", "versions.toml")


def test_changed_cells_are_reported_and_the_matrix_is_updated(
    clone: Clone, forge: MemoryForge, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("numpy", "1.2", python=">=3.12")
    index.add("numpy", "1.3", python="<3.12")
    index.add("numpy", "1.1.1", python="<3.12")
    clone.project.write(FAMILY + '[compat]\npython = ["3.11", "3.12"]\n')
    clone.project.ok("resolve")
    clone.project.ok("compat")
    clone.commit("a matrix")
    ran = clone.update("--json")
    assert {group["group"]: group["outcome"] for group in json.loads(ran.out)["groups"]} == {"numpy": "created"}
    # The current matrix comes from the commit: only the new one is resolved.
    assert ran.err.count(" resolver calls") == 1, ran.err
    (request,) = forge.requests.values()
    assert request.title == "update numpy 1.0 -> 1.3"
    assert "1 of 2 cells are unchanged." in request.body
    assert re.search(r"\| python=3.12 variant=cpu \| base:cpu \| resolves \| (no|with changes) \|", request.body)
    there = tmp_path / "reviewed"
    git(tmp_path, "clone", "-q", "-b", "lockgen/numpy", str(clone.remote), str(there))
    assert clone.project.run("--project", str(there), "check").code == 0
    assert outcomes(clone) == {"numpy": "unchanged"}


def test_findings_of_check_prevent_a_pull_request(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    index.add("tokens", "1.1", files={"tokens/big.txt": b"x" * 100_000})
    clone.project.write(FAMILY + '[budgets]\nmax-image = "10 kB"\n')
    clone.project.ok("resolve")
    clone.commit("a budget")
    ran = clone.update("--json")
    results = {group["group"]: group for group in json.loads(ran.out)["groups"]}
    assert {name: group["outcome"] for name, group in results.items()} == {"numpy": "created", "tokens": "failed"}
    assert "more than the 10.0 kB" in results["tokens"]["why"] or "max-image" in results["tokens"]["why"]
    assert "lockgen/tokens" not in clone.heads()


def test_a_dry_run_needs_neither_a_token_nor_a_forge(clone: Clone) -> None:
    ran = clone.update("--dry-run")
    assert ran.code == 0, ran.err
    assert "numpy: created, update numpy 1.0 -> 1.1" in ran.out
    assert "a dry run continues without the open pull requests" in ran.err


OWN = """
[variants.slow]
from = "python:3.11-slim"
pins = { numpy = "0.5" }
"""


def test_a_variants_own_pin_moves_separately(clone: Clone, forge: MemoryForge, index: LocalIndex) -> None:
    for version in ("0.5", "0.6"):
        index.add("numpy", version)
    index.add("tokens", "1.1")
    policy = '[update]\nignore = [{ package = "numpy", versions = ">=0.9" }, { package = "tokens" }]\n'
    clone.project.write(FAMILY + OWN + policy)
    clone.project.ok("resolve")
    clone.commit("a variant with its own numpy")
    assert outcomes(clone) == {"numpy-slow": "created"}
    (request,) = forge.requests.values()
    assert request.title == "update numpy 0.5 -> 0.6 (slow)"
    assert "lockgen bump --variant slow numpy==0.6" in request.body
    text = clone.show("lockgen/numpy-slow", "versions.toml")
    assert 'numpy = "1.0"                # old, but known' in text
    assert 'pins = { numpy = "0.6" }' in text
    assert outcomes(clone) == {"numpy-slow": "unchanged"}


def test_shared_pins_and_a_variants_own_pins_are_separate_groups(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    for version in ("0.5", "0.6"):
        index.add("numpy", version)
    policy = '[update.groups.sound]\npackages = ["numpy", "speech"]\n'
    clone.project.write(FAMILY + OWN + policy)
    clone.project.ok("resolve")
    clone.commit("a group")
    assert outcomes(clone) == {"sound": "created", "sound-slow": "created"}
    assert {request.title for request in forge.requests.values()} == {
        "update numpy 1.0 -> 1.1",
        "update numpy 0.5 -> 1.1 (slow)",
    }


def test_unavailable_advisories_close_no_pull_request(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    weak = weak_numpy(tmp_path)
    clone.project.write(FAMILY + '[update]\nsteps = ["patch"]\n')  # only an advisory makes numpy due
    clone.commit("patches only")
    assert json.loads(clone.project.ok("update", "--json", "--database", str(weak)).out)["groups"][0]["outcome"] == (
        "created"
    )
    assert forge.requests[1].title == "security: update numpy 1.0 -> 1.1"
    before = clone.heads()
    assert outcomes(clone) == {}
    assert (clone.heads(), forge.closed) == (before, set())
    clone.project.write(FAMILY)
    clone.commit("any step")
    ran = clone.update("--json")
    (group,) = json.loads(ran.out)["groups"]
    assert (group["group"], group["outcome"]) == ("numpy", "unchanged")
    assert "could not read the advisories" in group["why"]
    assert forge.requests[1].title == "security: update numpy 1.0 -> 1.1"


def test_an_update_ignored_for_one_variant_moves_for_the_others(
    clone: Clone, forge: MemoryForge, index: LocalIndex
) -> None:
    for version in ("0.5", "0.6"):
        index.add("numpy", version)
    policy = '[update]\nignore = [{ package = "numpy", variant = "slow" }]\n'
    clone.project.write(FAMILY + OWN + policy)
    clone.project.ok("resolve")
    clone.commit("slow stays")
    assert outcomes(clone) == {"numpy": "created"}
