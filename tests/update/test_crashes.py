"""The next run completes a run that was killed before or after any step: real git, a forge in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version
from support.project import Project
from support.quiet import Silence
from support.remotes import Clone, CountedRepository, Killed, MemoryForge, Steps, cloned, git

from lockgen.core.update_policy import Policy
from lockgen.diff.model import Changes
from lockgen.errors import Refused, ToolFailed
from lockgen.update.clone import PREFIX, open_clone
from lockgen.update.model import Candidate, GroupResult, MovedPin, PullRequestContent, UpdateGroup
from lockgen.update.plan import key_of
from lockgen.update.report import Report
from lockgen.update.run import Prepared, UpdateRun, UpdateRunOptions

FORGE_STEPS = {
    "created": ["commit", "push", "open", "label"],
    "refreshed": ["commit", "push", "edit"],
    "closed": ["comment", "close", "delete"],
}


def group(version: str) -> UpdateGroup:
    candidate = Candidate("numpy", Version("1.0"), (Version(version),))
    return UpdateGroup("numpy", (candidate,), partial=False, key=key_of([candidate]))


@pytest.fixture
def clone(project: Project, tmp_path: Path) -> Clone:
    project.write("# the family\n")
    project.write("numpy 1.0\n", "pins.txt")
    return cloned(project, tmp_path)


@pytest.fixture
def forge(clone: Clone) -> MemoryForge:
    return MemoryForge(clone.remote)


def prepares(wanted: UpdateGroup, folder: str) -> Prepared:
    (candidate,) = wanted.candidates
    new = str(candidate.allowed[0])
    (Path(folder) / "pins.txt").write_text(f"{wanted.name} {new}\n")
    return Prepared(PullRequestContent(wanted.name, (MovedPin(wanted.name, "1.0", new),), Changes()))


def run(clone: Clone, forge: MemoryForge, groups: list[UpdateGroup]) -> list[GroupResult]:
    repository = CountedRepository(open_clone(clone.root, "origin", "main"), forge.steps)
    report = UpdateRun(repository, forge, prepares, UpdateRunOptions(Policy()), Silence()).run(groups)
    assert report.faults == []
    return report.results


def prepared_for(outcome: str, clone: Clone, forge: MemoryForge) -> list[UpdateGroup]:
    """Prepare the remote so that a run has ``outcome``; returns the groups of that run."""
    if outcome == "created":
        return [group("1.1")]
    run(clone, forge, [group("1.1")])
    return [group("1.2")] if outcome == "refreshed" else []


def state(clone: Clone, forge: MemoryForge) -> object:
    """Everything that a run leaves behind, except the ids of commits, which depend on the time."""
    trees = {name: git(clone.remote, "rev-parse", f"{name}^{{tree}}") for name in clone.heads()}
    bodies = {n: (r.title, r.labels, r.moves, r.mark == clone.heads().get(r.branch)) for n, r in forge.requests.items()}
    return trees, bodies, forge.closed, forge.comments, forge.opened_ever


@pytest.mark.parametrize("outcome", FORGE_STEPS)
def test_an_undisturbed_run_takes_these_steps(clone: Clone, forge: MemoryForge, outcome: str) -> None:
    groups = prepared_for(outcome, clone, forge)
    forge.steps = Steps()
    assert [result.outcome for result in run(clone, forge, groups)] == [outcome]
    assert forge.steps.done == FORGE_STEPS[outcome]


KILLS = [
    (outcome, at, after)
    for outcome, steps in FORGE_STEPS.items()
    for at in range(len(steps))
    for after in (False, True)
]


@pytest.mark.parametrize(("outcome", "at", "after"), KILLS)
def test_the_next_run_completes_a_run_that_was_killed_at_any_step(
    clone: Clone, forge: MemoryForge, tmp_path: Path, outcome: str, at: int, after: bool
) -> None:
    groups = prepared_for(outcome, clone, forge)
    forge.steps = Steps(at, after)
    with pytest.raises(Killed):
        run(clone, forge, groups)
    forge.steps = Steps()
    run(clone, forge, groups)
    found = state(clone, forge)
    forge.steps = Steps()
    again = run(clone, forge, groups)
    assert forge.steps.done == []
    assert [result.outcome for result in again] == ([] if outcome == "closed" else ["unchanged"])
    assert found == state(clone, forge) == undisturbed(tmp_path, clone.project, outcome)


def undisturbed(folder: Path, like: Project, outcome: str) -> object:
    other = folder / "other"
    (other / "project").mkdir(parents=True)
    project = Project(other / "project", like.capsys)
    project.write("# the family\n")
    project.write("numpy 1.0\n", "pins.txt")
    clone = cloned(project, other)
    forge = MemoryForge(clone.remote)
    run(clone, forge, prepared_for(outcome, clone, forge))
    return state(clone, forge)


def dead() -> int:
    """The id of a process that has ended."""
    import subprocess

    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_worktree_of_a_killed_run_is_removed(clone: Clone, forge: MemoryForge, tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}{dead()}-x"
    clone.git("worktree", "add", "-q", "--detach", str(left / "tree"))
    run(clone, forge, [group("1.1")])
    assert not left.exists()
    assert len(clone.git("worktree", "list").splitlines()) == 1


def race(at: str, theirs: Callable[[], object], steps: Steps) -> None:
    """Run ``theirs`` right before the step ``at``."""
    step = steps.step

    def raced(name: str, work: Callable[[], object]) -> object:
        if name == at:
            steps.step = step  # type: ignore[method-assign]
            theirs()
        return step(name, work)

    steps.step = raced  # type: ignore[method-assign]


def test_a_commit_pushed_right_before_lockgens_push_is_kept(clone: Clone, forge: MemoryForge) -> None:
    run(clone, forge, [group("1.1")])
    pushed: list[str] = []
    forge.steps = Steps()
    race("push", lambda: pushed.append(clone.add_commit("lockgen/numpy")), forge.steps)
    assert [result.outcome for result in run(clone, forge, [group("1.2")])] == ["beaten"]
    assert clone.heads()["lockgen/numpy"] == pushed[0]
    assert [result.outcome for result in run(clone, forge, [group("1.2")])] == ["foreign"]


def test_a_branch_created_right_before_the_first_push_is_kept(clone: Clone, forge: MemoryForge) -> None:
    race("push", lambda: clone.git("push", "-q", "origin", "main:refs/heads/lockgen/numpy"), forge.steps)
    assert [result.outcome for result in run(clone, forge, [group("1.1")])] == ["beaten"]
    assert clone.heads()["lockgen/numpy"] == clone.heads()["main"]
    assert forge.requests == {}


def test_a_commit_pushed_right_before_the_deletion_is_kept(clone: Clone, forge: MemoryForge) -> None:
    run(clone, forge, [group("1.1")])
    pushed: list[str] = []
    forge.steps = Steps()
    race("delete", lambda: pushed.append(clone.add_commit("lockgen/numpy")), forge.steps)
    run(clone, forge, [])
    assert clone.heads()["lockgen/numpy"] == pushed[0]


def test_a_foreign_branch_under_the_prefix_is_ignored(clone: Clone, forge: MemoryForge) -> None:
    clone.git("push", "-q", "origin", "main:refs/heads/lockgen/my-own")
    assert run(clone, forge, []) == []
    assert "lockgen/my-own" in clone.heads()


def test_another_projects_branches_are_left_alone(clone: Clone, forge: MemoryForge) -> None:
    run(clone, forge, [group("1.1")])
    repository = open_clone(clone.root, "origin", "main")
    other = UpdateRun(
        repository, forge, lambda *_: Prepared(None), UpdateRunOptions(Policy(), project="other"), Silence()
    )
    assert other.run([]).results == []
    assert "lockgen/numpy" in clone.heads()


@pytest.mark.parametrize("folder", ["gone", "../outside", "/", "a\nb"])
def test_branches_of_a_removed_project_are_closed(clone: Clone, forge: MemoryForge, folder: str) -> None:
    """The project that a commit names may be anything."""
    made = UpdateRun(
        open_clone(clone.root, "origin", "main"), forge, prepares, UpdateRunOptions(Policy(), project=folder), Silence()
    ).run([group("1.1")])
    assert [result.outcome for result in made.results] == ["created"]
    assert [result.outcome for result in run(clone, forge, [])] == ["closed"]


def test_a_pull_request_that_lost_a_label_gets_it_back(clone: Clone, forge: MemoryForge) -> None:
    run(clone, forge, [group("1.1")])
    forge.requests[1] = replace(forge.requests[1], labels=frozenset({"mine"}))
    assert [result.outcome for result in run(clone, forge, [group("1.1")])] == ["unchanged"]
    assert forge.requests[1].labels == {"mine", "dependencies"}


def test_a_branch_of_another_project_is_reported_and_kept(clone: Clone, forge: MemoryForge) -> None:
    run(clone, forge, [group("1.1")])
    before = clone.heads()
    repository = open_clone(clone.root, "origin", "main")
    other = UpdateRun(
        repository, forge, lambda *_: Prepared(None), UpdateRunOptions(Policy(), project="other"), Silence()
    )
    (result,) = other.run([group("1.2")]).results
    assert (result.outcome, "its own prefix" in result.why) == ("foreign", True)
    assert clone.heads() == before


def test_a_refused_pull_request_does_not_stop_the_other_groups(
    clone: Clone, forge: MemoryForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = forge.open

    def opens(branch: str, title: str, body: str) -> object:
        if branch.endswith("numpy"):
            raise Refused("GitHub does not accept it: open a pull request for lockgen/numpy")
        return real(branch, title, body)

    monkeypatch.setattr(forge, "open", opens)
    report = both(clone, forge, [group("1.1"), scipy()])
    assert [result.outcome for result in report.results] == ["failed", "created"]
    assert len(report.faults) == 1


SECOND = Candidate("scipy", Version("1.0"), (Version("1.5"),))


def both(clone: Clone, forge: MemoryForge, groups: list[UpdateGroup], **more: object) -> Report:
    """The report of a run of numpy and scipy."""

    options = UpdateRunOptions(Policy(**more))  # type: ignore[arg-type]
    return UpdateRun(open_clone(clone.root, "origin", "main"), forge, prepares, options, Silence()).run(groups)


def scipy(*, security: bool = False) -> UpdateGroup:
    candidate = replace(SECOND, fixes_vulnerability=security)
    return UpdateGroup("scipy", (candidate,), partial=False, key=key_of([candidate]))


@pytest.mark.parametrize("asked", ["close", "label", "declined", "edit", "merged"])
@pytest.mark.parametrize("of_one", [True, False])
def test_a_refused_request_does_not_end_the_run_but_a_failing_forge_does(
    clone: Clone, forge: MemoryForge, monkeypatch: pytest.MonkeyPatch, asked: str, of_one: bool
) -> None:
    both(clone, forge, [group("1.1")], labels=())
    groups = {"close": [], "merged": [], "declined": [group("1.1")], "edit": [group("1.2")], "label": [group("1.1")]}
    if asked in ("declined", "merged"):
        del forge.requests[1]
    real = getattr(forge, asked)

    def refuses_once(*_: object) -> None:
        monkeypatch.setattr(forge, asked, real)
        raise (Refused if of_one else ToolFailed)(f"the forge does not {asked}")

    monkeypatch.setattr(forge, asked, refuses_once)
    report = both(clone, forge, [*groups[asked], scipy()])
    assert [fault.message for fault in report.faults] == [f"the forge does not {asked}"]
    comes_last = asked in ("close", "merged")
    assert ("lockgen/scipy" in clone.heads()) == (of_one or comes_last)
    assert both(clone, forge, [*groups[asked], scipy()]).faults == []


@pytest.mark.parametrize("step", ["tree", "commit", "fresh"])
def test_a_failure_of_git_is_reported_and_the_other_groups_go_on(
    clone: Clone, forge: MemoryForge, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from lockgen.update.clone import Clone as Real

    real = getattr(Real, step)

    def fails_once(self: Real, *arguments: object) -> object:
        monkeypatch.setattr(Real, step, real)
        raise ToolFailed("git cannot: no space left")

    monkeypatch.setattr(Real, step, fails_once)
    report = both(clone, forge, [group("1.1"), scipy()])
    assert [(result.group, result.outcome) for result in report.results] == [("numpy", "failed"), ("scipy", "created")]
    assert [fault.message for fault in report.faults] == ["git cannot: no space left"]


def test_the_limit_applies_to_a_security_update_that_fixes_nothing(clone: Clone, forge: MemoryForge) -> None:
    """It was let through as a security fix, but the versions that resolved do not fix it."""
    report = both(clone, forge, [group("1.1"), scipy(security=True)], max_open=1)
    assert [(result.group, result.outcome) for result in report.results] == [("numpy", "created"), ("scipy", "limited")]
    assert "lockgen/scipy" not in clone.heads()


@pytest.mark.parametrize("known", [True, False])
def test_the_author_comes_from_gits_settings_or_is_lockgen(
    clone: Clone, forge: MemoryForge, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    if known:
        clone.git("config", "user.name", "Ada Bot")
        clone.git("config", "user.email", "bot@example.org")
    run(clone, forge, [group("1.1")])
    found = git(clone.remote, "log", "-1", "--format=%an <%ae>, %cn <%ce>", "lockgen/numpy")
    who = "Ada Bot <bot@example.org>" if known else "lockgen <lockgen@localhost>"
    assert found == f"{who}, {who}"
