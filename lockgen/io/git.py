"""Read from git: a file at a commit, and the paths that changed since a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lockgen.errors import BadInput
from lockgen.io.process import Finished, run

_TIMEOUT = 60.0


def show(root: Path, ref: str, path: str) -> bytes | None:
    """The content of ``path`` (relative to ``root``, UTF-8) at ``ref``; None where ``ref`` has no such file.

    A HEAD without any commit has no files.

    Raises:
        BadInput: ``root`` is in no repository, or git knows no such commit.
        ToolFailed: git is missing or did not answer.
    """
    check_ref(ref)
    # ls-tree, because `git show` distinguishes a missing file from a damaged repository only by its message.
    listed = _git(root, "ls-tree", "-z", "--full-name", ref, "--", path)
    if listed.code:
        _unlisted(root, ref, listed)
        return None
    entry = listed.stdout.split("\t", 1)[0].split(" ")
    if len(entry) != 3 or entry[1] != "blob":
        return None
    blob = _git(root, "cat-file", "blob", entry[2])
    if blob.code:
        raise BadInput(f"git cannot read {path} at {ref!r}", reason=blob.last_lines())
    return blob.stdout.encode()


def check_ref(ref: str) -> None:
    """Refuse a ref that git would read as an option, or as more than the name of a commit.

    Raises:
        BadInput: ``ref`` is one.
    """
    if not ref or ref.startswith("-") or ":" in ref or not ref.isprintable():
        raise BadInput(
            f"{ref!r} is neither a lock file nor a git ref",
            hint="pass a branch, a tag or a commit, such as HEAD~1, or the path of a lock file",
        )


def _unlisted(root: Path, ref: str, listed: Finished) -> None:
    inside = _git(root, "rev-parse", "--git-dir")
    if inside.code:
        raise BadInput(
            "this folder is not in a git repository, or git refuses to read it",
            hint="pass two lock files instead of git refs",
            reason=inside.last_lines(),
        )
    unborn = ref == "HEAD" and _git(root, "rev-parse", "--verify", "--quiet", "HEAD").code
    if not unborn:
        raise BadInput(
            f"unknown git revision {ref!r}",
            hint="see `git branch --all` and `git tag`; a shallow clone may lack it: `git fetch --unshallow`",
            reason=listed.last_lines(),
        )


def _git(root: Path, *arguments: str) -> Finished:
    return call(root, arguments, timeout=_TIMEOUT)


def call(
    root: Path, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float
) -> Finished:
    """Run git in ``root``; ``env`` replaces the environment.

    Raises:
        ToolFailed: git is missing or did not answer in time.
    """
    # No optional locks: `git status` would otherwise write .git/index, next to a git of the user's.
    command = ["git", "--literal-pathspecs", "--no-optional-locks", *arguments]
    return run(command, cwd=root, env=env, stdin=stdin, timeout=timeout)


def changed_since(root: Path, ref: str) -> list[str]:
    """Paths (relative to ``root``) that differ between ``ref`` and the working tree, new files included.

    Raises:
        BadInput: ``root`` is in no repository, or git knows no such commit.
    """
    check_ref(ref)
    # ^{commit}: a tag or a tree of that name would compare something else.
    commit = f"{ref}^{{commit}}"
    changed = _git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", commit, "--")
    if changed.code:
        _unlisted(root, ref, changed)
        raise BadInput(f"git cannot compare with {ref!r}", reason=changed.last_lines())
    # `git diff` does not list files that git does not track yet.
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    paths = {*changed.stdout.split("\0"), *new.stdout.split("\0")}
    # The last path ends with a NUL too.
    paths.discard("")
    return sorted(paths)


def last_commit(root: Path, paths: list[str]) -> str | None:
    """The commit that last touched one of ``paths``, with "-dirty" where the working tree differs; None without one."""
    log = _git(root, "log", "-1", "--format=%H", "--", *paths)
    commit = log.stdout.strip()
    if log.code or not commit:
        return None
    changes = _git(root, "status", "--porcelain", "--", *paths).stdout.strip()
    return f"{commit}-dirty" if changes else commit
