"""The workflows for `update`, `check` and `audit`, the action, the hooks, and the snippets for other bots."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from examples.test_workflows import ROOT, Runner, read, tool

import lockgen
from lockgen.cli import cli

WORKFLOWS = sorted((ROOT / "examples/github").glob("*.yml"))
SCAN = ROOT / "examples/github/scan.yml"
ACTION = ROOT / "action.yml"
PIPELINE = ROOT / "examples/gitlab/update.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
GENERATED = ["versions.toml", "locks/lock.json", "locks/cpu/asr.txt", "docker/asr/Dockerfile"]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def steps(path: Path, job: str) -> list[dict[str, Any]]:
    return [step for step in read(path)["jobs"][job]["steps"] if "run" in step and "pip install" not in step["run"]]


def test_linters_report_nothing() -> None:
    assert tool("actionlint", "-no-color", *WORKFLOWS) == ""
    bots = ROOT / "examples/dependabot/dependabot.yml"
    assert tool("zizmor", "--offline", "--no-progress", "--persona", "pedantic", *WORKFLOWS, ACTION, bots) == ""


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.gitlab-ci", PIPELINE),
        ("vendor.github-actions", ACTION),
        ("vendor.renovate", ROOT / "examples/renovate/renovate.json"),
        ("vendor.dependabot", ROOT / "examples/dependabot/dependabot.yml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_examples_match_their_schemas(schema: str, path: Path) -> None:
    assert tool("check-jsonschema", "--builtin-schema", schema, path) == ""


def test_pre_commit_accepts_the_hooks(tmp_path: Path) -> None:
    hooks = {hook["id"]: hook for hook in read(HOOKS)}
    assert set(hooks) == {"lockgen-check", "lockgen-resolve"}
    for hook in hooks.values():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "python"
        assert hook["entry"].split()[0] == "lockgen"
    assert all(re.search(hooks["lockgen-check"]["files"], path) for path in GENERATED)
    assert not re.search(hooks["lockgen-check"]["files"], "shared/versions.toml.py")


def test_actions_are_pinned_by_commit_with_their_tag() -> None:
    used = [line for path in (*WORKFLOWS, ACTION) for line in re.findall(r"uses: (\S+@.*)", path.read_text())]
    used = [line for line in used if not line.startswith("OWNER/")]
    assert len(used) >= 12
    for action in used:
        assert re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert len({line.split("@")[0] for line in used}) == len(set(used)), "one action in two versions"


def test_examples_install_this_version() -> None:
    for path in WORKFLOWS:
        assert read(path)["env"]["LOCKGEN"] == f"lockgen=={lockgen.__version__}"
    assert read(PIPELINE)[".lockgen"]["variables"]["LOCKGEN"] == f"lockgen=={lockgen.__version__}"


@pytest.mark.parametrize("path", [*WORKFLOWS, PIPELINE], ids=lambda path: path.name)
def test_examples_use_existing_options(path: Path) -> None:
    for command, words in re.findall(r"(?<!`)lockgen (update|check|diff|audit) ?([^\n`]*)", path.read_text()):
        known = {option for parameter in cli.commands[command].params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", words.partition("|")[0])) <= known


@pytest.mark.parametrize(("asked", "words"), [("", ["update"]), ("--dry-run", ["update", "--dry-run"])])
def test_github_updates(runner: Runner, asked: str, words: list[str]) -> None:
    (step,) = steps(ROOT / "examples/github/update.yml", "update")
    assert step["shell"] == "bash"
    summary = runner.folder / "summary.md"
    runner.run(step["run"], DRY_RUN=asked, GITHUB_STEP_SUMMARY=str(summary))
    assert runner.calls == [words]
    assert summary.read_text().startswith("what ")


def test_a_failure_of_lockgen_fails_the_step(runner: Runner) -> None:
    (runner.folder / "bin/lockgen").write_text("#!/bin/sh\nexit 4\n")
    (step,) = steps(ROOT / "examples/github/update.yml", "update")
    with pytest.raises(subprocess.CalledProcessError):
        runner.run(step["run"], DRY_RUN="", GITHUB_STEP_SUMMARY=str(runner.folder / "summary.md"))


def test_only_two_jobs_may_write() -> None:
    may: dict[tuple[str, str], set[str]] = {}
    for path in WORKFLOWS:
        assert read(path)["permissions"] == {}
        for name, job in read(path)["jobs"].items():
            if rights := {right for right, how in job.get("permissions", {}).items() if how != "read"}:
                may[path.name, name] = rights
    assert may == {
        ("update.yml", "update"): {"contents", "pull-requests", "issues"},
        ("scan.yml", "code-scanning"): {"security-events"},
    }


def test_github_checks_and_scans(runner: Runner) -> None:
    summary = runner.folder / "summary.md"
    for step in steps(ROOT / "examples/github/check.yml", "check"):
        runner.run(step["run"], BASE="abc", GITHUB_STEP_SUMMARY=str(summary))
    for step in steps(SCAN, "scan"):
        runner.run(step["run"])
    assert runner.calls == [
        ["diff", "abc", "--format", "markdown"],
        ["check"],
        ["audit", "--sarif"],
        ["audit", "--fail-on", "high"],
    ]


def test_code_scanning_gets_the_report_from_a_job_that_runs_no_code(runner: Runner) -> None:
    scan, upload = (read(SCAN)["jobs"][name] for name in ("scan", "code-scanning"))
    assert {step["uses"].split("@")[0] for step in upload["steps"]} == {
        "actions/checkout",
        "actions/download-artifact",
        "github/codeql-action/upload-sarif",
    }
    report = next(step for step in scan["steps"] if step.get("id") == "report")["with"]
    assert upload["steps"][1]["with"] == {"name": report["name"]}
    # Pinned by commit an action is unknown to actionlint, and so are its inputs.
    assert upload["steps"][2]["with"] == {"sarif_file": report["path"], "category": "lockgen"}
    runner.run(steps(SCAN, "scan")[0]["run"])
    assert (runner.folder / report["path"]).read_text() == "what --sarif prints\n"


def test_code_scanning_gets_severe_findings_and_is_optional() -> None:
    scan, upload = (read(SCAN)["jobs"][name] for name in ("scan", "code-scanning"))
    positions = {step.get("id") or step.get("name"): at for at, step in enumerate(scan["steps"])}
    assert positions["report"] < positions["fail on severe vulnerabilities"], "a gate that fails must not keep it back"
    assert scan["outputs"] == {"report": "${{ steps.report.outputs.artifact-id }}"}
    assert upload["needs"] == "scan"
    assert upload["if"] == "${{ !cancelled() && needs.scan.outputs.report != '' }}"
    every = [step for path in WORKFLOWS for job in read(path)["jobs"].values() for step in job["steps"]]
    assert [step for step in every if step.get("continue-on-error")] == upload["steps"][2:]


@pytest.mark.parametrize(("code", "stops"), [(0, False), (1, False), (2, True), (4, True)])
def test_a_scan_continues_only_after_findings(runner: Runner, code: int, stops: bool) -> None:
    (runner.folder / "bin/lockgen").write_text(f"#!/bin/sh\nexit {code}\n")
    first = steps(SCAN, "scan")[0]
    if stops:
        with pytest.raises(subprocess.CalledProcessError):
            runner.run(first["run"])
    else:
        runner.run(first["run"])


def test_gitlab_updates_checks_and_scans(runner: Runner) -> None:
    jobs = read(PIPELINE)
    for name in ("lockgen-update", "lockgen-check", "lockgen-scan"):
        for line in jobs[name]["script"]:
            runner.run(line, CI_MERGE_REQUEST_DIFF_BASE_SHA="abc")
    assert runner.calls == [
        ["update"],
        ["diff", "abc", "--format", "markdown"],
        ["check"],
        ["audit", "--fail-on", "high"],
    ]


@pytest.mark.parametrize("command", ["check", "update --dry-run", "check; touch pwned", "$(touch pwned)"])
def test_the_action_runs_one_command_and_nothing_else(runner: Runner, command: str) -> None:
    step = next(step for step in read(ACTION)["runs"]["steps"] if step.get("id") == "run")
    (runner.folder / "lockgen").mkdir()
    os.symlink(runner.folder / "bin", runner.folder / "lockgen/bin")
    output = runner.folder / "output"
    runner.run(step["run"], COMMAND=command, PROJECT="a b", RUNNER_TEMP=str(runner.folder), GITHUB_OUTPUT=str(output))
    assert runner.calls == [["--project", "a b", *command.split()]]
    assert not (runner.folder / "pwned").exists()
    assert output.read_text() == f"report={runner.folder}/lockgen-report.txt\n"


def test_renovate_and_dependabot_leave_generated_files_alone() -> None:
    ignored = json.loads((ROOT / "examples/renovate/renovate.json").read_text())["ignorePaths"]
    for path in GENERATED:
        assert any(path == entry or path.startswith(entry.removesuffix("**")) for entry in ignored), path
    updates = read(ROOT / "examples/dependabot/dependabot.yml")["updates"]
    assert {entry["package-ecosystem"] for entry in updates} == {"github-actions"}
