"""Guarantee 11: no file of the user is overwritten or removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.families import SMALL
from support.faults import snapshot
from support.project import Project

HEADER = "# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.\n"

FAMILY = SMALL.replace("[stages.asr]\n", '[stages.asr]\nentrypoint = "asr.py"\n')

MINE = "six==1.16.0\n"

PATHS = [
    "docker/requirements-common.txt",
    "docker/requirements-build.txt",
    "docker/base/requirements-base.txt",
    "docker/ml/requirements-ml.cuda.txt",
    "docker/demux/requirements-demux.txt",
    "docker/asr/Dockerfile",
    "docker/asr/self_check.py",
    "docker/docker-bake.hcl",
    "docker/build-all-images.sh",
    "docker/versions.txt",
    ".dockerignore",
    "locks/cpu/asr.txt",
    "locks/cuda/base.txt",
    "locks/lock.json",
]
"""One path of each kind that `resolve` writes for the family SMALL."""


@pytest.fixture
def small(small: Project) -> Project:
    """The family with a program in one stage, so that it has a self_check.py."""
    small.write(FAMILY)
    return small


def git(project: Project, *arguments: str) -> None:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def commit(project: Project) -> None:
    git(project, "init", "--quiet")
    git(project, "add", "--all", ".")
    git(project, "commit", "--quiet", "--message", "all")


def refused(project: Project, *paths: str, command: tuple[str, ...] = ("resolve",)) -> str:
    """Run ``command``, which has to report each of ``paths`` and to change no file. Return its error output."""
    before = snapshot(project.root)
    ran = project.run(*command)
    assert ran.code == 2, ran.out + ran.err
    for path in paths:
        assert path in ran.err, ran.err
    assert "hint: " in ran.err
    assert snapshot(project.root) == before
    return ran.err


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", [MINE, ""], ids=["text", "empty"])
def test_a_hand_written_file_is_never_replaced(small: Project, path: str, text: str) -> None:
    small.write(text, path)
    refused(small, path)
    refused(small, path, command=("resolve", "--check"))


def test_all_foreign_files_are_reported_at_once(small: Project) -> None:
    for path in PATHS:
        small.write(MINE, path)
    (small.root / "docker/base/Dockerfile").mkdir()
    (small.root / "docker/ml/Dockerfile").symlink_to("nowhere")
    refused(small, *PATHS, "docker/base/Dockerfile", "docker/ml/Dockerfile")


def test_the_hints_of_a_refusal_work(small: Project) -> None:
    path = "docker/base/requirements-base.txt"
    small.write(MINE, path)
    refused(small, path)
    small.write(HEADER + MINE, path)
    small.ok("resolve")
    (small.root / path).rename(small.root / "mine.txt")
    small.ok("resolve")
    assert (small.root / "mine.txt").read_text() != MINE


@pytest.mark.parametrize("path", PATHS)
def test_an_edit_of_a_generated_file_is_drift(small: Project, path: str) -> None:
    """The lock records the path, so the file is lockgen's even without its header."""
    small.ok("resolve")
    good = small.tree
    small.write(MINE, path)
    if path != "locks/lock.json":
        ran = small.run("check")
        assert (ran.code, f"{path}: does not match the lock" in ran.out) == (1, True)
    small.ok("resolve", "--offline")
    assert small.tree == good


def test_paths_recorded_by_the_lock_at_head_are_owned(small: Project) -> None:
    small.ok("resolve")
    good = small.tree
    commit(small)
    for path in PATHS:
        small.write(MINE, path)
    small.ok("resolve", "--offline")
    assert small.tree == good


def test_the_lock_at_head_of_an_enclosing_repository_counts(small: Project) -> None:
    small.ok("resolve")
    good = small.tree
    subprocess.run(["git", "init", "--quiet", str(small.root.parent)], check=True)
    git(small, "add", "--all", ".")
    git(small, "commit", "--quiet", "--message", "all")
    (small.root / "locks/lock.json").unlink()
    small.write(MINE, "docker/asr/Dockerfile")
    small.ok("resolve", "--offline")
    assert small.tree == good


@pytest.mark.parametrize("repository", ["none", "no commit", "another lock"])
def test_without_a_lock_only_the_header_counts(small: Project, repository: str) -> None:
    small.ok("resolve")
    if repository != "none":
        git(small, "init", "--quiet")
    if repository == "another lock":
        small.write("{}\n", "locks/lock.json")
        commit(small)
    (small.root / "locks/lock.json").unlink()
    small.write(MINE, "docker/asr/Dockerfile")
    refused(small, "docker/asr/Dockerfile")


def test_an_unreadable_head_counts_as_no_lock(small: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small.ok("resolve")
    commit(small)
    (small.root / "locks/lock.json").unlink()
    small.write(MINE, "docker/asr/Dockerfile")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    refused(small, "docker/asr/Dockerfile")


@pytest.mark.parametrize(
    "text", ['{"format": 1, "packages": {}}\n', '{\n  "lockfileVersion": 3\n}\n', "[]", "", "<<<<"]
)
def test_a_lock_file_of_another_tool_is_not_replaced(small: Project, text: str) -> None:
    small.write(text, "locks/lock.json")
    refused(small, "locks/lock.json")


def test_a_truncated_lock_is_still_owned(small: Project) -> None:
    """Its beginning identifies it, without git or any other generated file."""
    small.ok("resolve")
    good = small.tree
    text = good["locks/lock.json"].decode()
    for path in good.keys() - {"versions.toml"}:
        if not path.startswith("locks/index/"):
            (small.root / path).unlink()
    small.write(text[: len(text) // 2], "locks/lock.json")
    small.ok("resolve", "--offline")
    assert small.tree == good


@pytest.mark.parametrize(
    ("text", "lockgens"),
    [
        (HEADER, True),
        ("\ufeff" + HEADER, True),
        (HEADER.replace("\n", "\r\n"), True),
        ("#!/bin/sh\n" + HEADER, True),
        ("#!/bin/sh\r\n" + HEADER, True),
        ("\n" + HEADER, False),
        ("# mine\n" + HEADER, False),
        (" " + HEADER, False),
        (HEADER.lower(), False),
        ("# Generated from versions.toml by `lockgen resolve`, and then edited\n", False),
        ("\0" + HEADER, False),
    ],
)
def test_only_a_header_on_the_first_line_counts(small: Project, text: str, lockgens: bool) -> None:
    path = small.root / "docker/base/requirements-base.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode() + MINE.encode())
    if lockgens:
        small.ok("resolve")
        assert MINE.encode() not in path.read_bytes()
    else:
        refused(small, "docker/base/requirements-base.txt")


def test_a_file_with_the_bytes_to_be_written_is_never_refused(small: Project) -> None:
    small.ok("resolve")
    good = small.tree
    text = good["locks/lock.json"]
    for path in good.keys() - {"versions.toml"}:
        if not path.startswith("locks/index/"):
            (small.root / path).unlink()
    (small.root / "locks/lock.json").write_bytes(text)
    small.ok("resolve", "--offline")
    assert small.tree == good


# -- symlinks and folders ---------------------------------------------------------


def test_a_symlink_to_a_user_file_is_refused(small: Project) -> None:
    small.write(MINE, "mine.txt")
    (small.root / "docker/base").mkdir(parents=True)
    (small.root / "docker/base/requirements-base.txt").symlink_to("../../mine.txt")
    refused(small, "docker/base/requirements-base.txt")


def test_a_dangling_symlink_is_refused(small: Project) -> None:
    (small.root / "docker/asr").mkdir(parents=True)
    (small.root / "docker/asr/Dockerfile").symlink_to("later")
    refused(small, "docker/asr/Dockerfile")


def test_a_symlink_in_place_of_a_program_is_refused(small: Project) -> None:
    small.write(FAMILY.replace("[stages.demux]", '[stages.demux]\nentrypoint = "demux.py"'))
    (small.root / "docker/demux").mkdir(parents=True)
    (small.root / "docker/demux/demux.py").symlink_to("not-yet")
    refused(small, "docker/demux/demux.py")


@pytest.mark.parametrize("name", ["docker", "locks", "docker/asr", "locks/cpu"])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_in_place_of_a_folder_is_refused(small: Project, name: str, link: bool) -> None:
    small.write(FAMILY.replace("locks/index", "recorded"))
    (small.root / "locks/index").rename(small.root / "recorded")
    (small.root / "locks").rmdir()
    path = small.root / name
    path.parent.mkdir(exist_ok=True)
    if link:
        path.symlink_to("nowhere")
    else:
        path.write_text(MINE)
    refused(small, name)
    refused(small, name, command=("resolve", "--check"))


def test_a_symlink_to_a_generated_file_is_not_removed(small: Project) -> None:
    """Its first line is lockgen's header, but lockgen does not create symlinks."""
    small.ok("resolve")
    (small.root / "docker/old").mkdir()
    link = small.root / "docker/old/requirements-old.txt"
    link.symlink_to("../base/requirements-base.txt")
    small.ok("resolve")
    assert link.is_symlink()
    ran = small.run("check")
    assert "docker/old/requirements-old.txt" in ran.out
    assert "lockgen resolve" not in ran.out


# -- other commands ---------------------------------------------------------------


def test_bump_refuses_foreign_files_too(small: Project) -> None:
    small.ok("resolve")
    small.write(FAMILY + '\n[stages.new]\nfrom = "base"\n')
    small.write(MINE, "docker/new/requirements-new.txt")
    small.write(MINE, "docker/new/Dockerfile")
    refused(
        small,
        "docker/new/Dockerfile",
        "docker/new/requirements-new.txt",
        command=("bump", "numpy==1.26.4"),
    )


def test_bump_does_not_replace_a_symlinked_versions_toml(small: Project) -> None:
    small.ok("resolve")
    (small.root / "versions.toml").rename(small.root / "family.toml")
    (small.root / "versions.toml").symlink_to("family.toml")
    refused(small, "versions.toml", command=("bump", "numpy==1.26.4"))
    small.ok("resolve")
    assert (small.root / "versions.toml").is_symlink()


def test_check_does_not_suggest_a_resolve_that_would_be_refused(small: Project) -> None:
    small.write(MINE, "docker/asr/Dockerfile")
    ran = small.run("check")
    assert ran.code == 1
    assert "docker/asr/Dockerfile" in ran.out
    hint = ran.out.splitlines()[-1]
    assert hint.index("docker/asr/Dockerfile") < hint.index("lockgen resolve")
    (small.root / "docker/asr/Dockerfile").unlink()
    small.ok("resolve")
    small.write(MINE, "docker/asr/requirements-mine.txt")
    ran = small.run("check")
    assert ran.code == 1
    assert "docker/asr/requirements-mine.txt" in ran.out
    assert "lockgen resolve" not in ran.out


def test_check_works_without_git(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(MINE, "docker/asr/Dockerfile")
    monkeypatch.setenv("PATH", os.devnull)
    assert "docker/asr/Dockerfile" in small.run("check").out
