"""The ready workflows: linted, and their commands run in a shell as a runner does.

Only lockgen itself stands in, by a program that notes how it was called.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import lockgen
from lockgen.cli import cli

ROOT = Path(__file__).parent.parent.parent
GITHUB = ROOT / "examples/github/compat.yml"
GITLAB = ROOT / "examples/gitlab/compat.gitlab-ci.yml"
UPDATE = ROOT / "examples/github/update.yml"
TOOLS = Path(sys.executable).parent

FAKE = """\
#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
print("what", sys.argv[-1], "prints")
"""


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def tool(name: str, *arguments: str | Path) -> str:
    done = subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_actionlint_reports_nothing() -> None:
    assert tool("actionlint", "-no-color", GITHUB) == ""


def test_zizmor_reports_nothing_in_pedantic_mode() -> None:
    assert tool("zizmor", "--offline", "--no-progress", "--persona", "pedantic", GITHUB) == ""


def test_the_pipeline_matches_gitlabs_schema() -> None:
    assert tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", GITLAB) == ""


def test_the_linters_report_a_broken_workflow(tmp_path: Path) -> None:
    bad = tmp_path / ".github/workflows/bad.yml"
    bad.parent.mkdir(parents=True)
    text = re.sub(r"@[0-9a-f]{40} # (v\S+)", r"@\1", GITHUB.read_text()).replace("needs: setup", "needs: stup")
    bad.write_text(text.replace("\non:\n", "\non:\n  release:\n    types: [published]\n"))
    assert 'needs job "stup"' in tool("actionlint", "-no-color", bad)
    found = tool("zizmor", "--offline", "--no-progress", bad)
    assert "unpinned-uses" in found
    assert "cache-poisoning" in found
    pipeline = tmp_path / "bad.yml"
    pipeline.write_text(GITLAB.read_text().replace("parallel: 4", "parallel: many"))
    assert "parallel" in tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", pipeline)


def test_actions_are_pinned_by_commit_with_their_tag() -> None:
    used = re.findall(r"uses: (.*)", GITHUB.read_text())
    assert len(used) == 8
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert len({line.split("@")[0] for line in used}) == len(set(used)), "one action in two versions"


def folders(home: Path, **env: str) -> set[Path]:
    """The cache folders that lockgen and uv report."""
    asked = "from lockgen.io.cache import cache_root; print(cache_root())"
    commands = [[sys.executable, "-c", asked], [str(TOOLS / "uv"), "cache", "dir", "--no-config"]]
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], **env}
    run = [subprocess.run(words, env=environment, capture_output=True, text=True, check=True) for words in commands]
    return {Path(done.stdout.strip()) for done in run}


@pytest.mark.parametrize(("path", "job"), [(GITHUB, "shard"), (UPDATE, "update")])
def test_github_keeps_the_caches_of_lockgen_and_uv(tmp_path: Path, path: Path, job: str) -> None:
    every = read(path)["jobs"][job]["steps"]
    (position,) = [at for at, step in enumerate(every) if step.get("uses", "").startswith("actions/cache@")]
    cache = every[position]["with"]
    # Pinned by commit an action is unknown to actionlint, and so are its inputs.
    assert set(cache) == {"path", "key", "restore-keys"}
    assert {Path(line.replace("~", str(tmp_path), 1)) for line in cache["path"].splitlines()} == folders(tmp_path)
    (asks,) = [at for at, step in enumerate(every) if re.search(r"\blockgen (compat|update)\b", step.get("run", ""))]
    assert position < asks
    assert "${{ github.run_id }}" in cache["key"], "a key that was written is never written again"
    assert all(cache["key"].startswith(prefix) for prefix in cache["restore-keys"].splitlines())


def test_each_shard_has_its_own_cache() -> None:
    (key,) = [step["with"]["key"] for step in read(GITHUB)["jobs"]["shard"]["steps"] if "key" in step.get("with", {})]
    assert "-${{ matrix.shard }}-" in key
    assert read(GITLAB)["compat"]["cache"]["key"] == "lockgen-compat-$CI_NODE_TOTAL-$CI_NODE_INDEX"


def test_no_pull_request_writes_a_cache_that_a_privileged_job_reads() -> None:
    assert set(read(UPDATE)["on"]) == {"schedule", "workflow_dispatch"}
    keys = [
        step["with"]["key"].split("-$")[0]
        for path in (GITHUB, UPDATE)
        for job in read(path)["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/cache@")
    ]
    assert keys == ["lockgen-compat", "lockgen-update"]


@pytest.mark.parametrize(
    ("path", "job"), [(GITLAB, "compat"), (GITLAB.parent / "update.gitlab-ci.yml", "lockgen-update")]
)
def test_gitlab_keeps_the_caches_of_lockgen_and_uv(tmp_path: Path, path: Path, job: str) -> None:
    """In the project's folder: GitLab caches only that."""
    pipeline = read(path)
    assert [name for name, job_data in pipeline.items() if "cache" in job_data] == [job]
    project = tmp_path / "project"
    variables = {
        name: value.replace("$CI_PROJECT_DIR", str(project))
        for name, value in pipeline[job]["variables"].items()
        if name.endswith("_CACHE_DIR")
    }
    cache = pipeline[job]["cache"]
    assert {project / kept for kept in cache["paths"]} == folders(tmp_path, **variables)
    assert cache["when"] == "always", "what a run that failed has read is what the next one needs"


def test_examples_install_this_version() -> None:
    assert read(GITHUB)["env"]["LOCKGEN"] == f"lockgen=={lockgen.__version__}"
    assert read(GITLAB)[".compat"]["variables"]["LOCKGEN"] == f"lockgen=={lockgen.__version__}"


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_examples_use_existing_options(path: Path) -> None:
    """The stand-in below accepts any option, so the real command line must know the same ones."""
    used = set(
        re.findall(r"(?<![\w-])--(?:[a-z]+-)*[a-z]+", " ".join(re.findall(r"lockgen compat .*", path.read_text())))
    )
    known = {option for parameter in cli.commands["compat"].params for option in parameter.opts}
    assert {"--shard", "--merge", "--fail-on"} <= used <= known


class Runner:
    """Runs shell steps in a folder as a runner does: in bash, until the first failure."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls.jsonl"
        (folder / "bin").mkdir()
        fake = folder / "bin/lockgen"
        fake.write_text(FAKE.format(python=sys.executable, log=str(self.log)))
        fake.chmod(0o755)

    def run(self, script: str, **env: str) -> None:
        environment = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **env}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        subprocess.run(command, cwd=self.folder, env=environment, check=True)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def steps(job: str) -> list[str]:
    found = [step["run"] for step in read(GITHUB)["jobs"][job]["steps"] if "run" in step]
    return [script for script in found if "pip install" not in script]


@pytest.mark.parametrize(("asked", "total"), [("4", 4), ("12", 12), ("1", 1)])
def test_github_runs_every_shard_once_and_merges_all(runner: Runner, asked: str, total: int) -> None:
    output = runner.folder / "output"
    runner.run(steps("setup")[0], SHARDS=asked, GITHUB_OUTPUT=str(output))
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    shards = json.loads(outputs["shards"])
    assert shards == list(range(1, total + 1))
    for shard in shards:
        runner.run(steps("shard")[0], SHARD=str(shard), TOTAL=outputs["total"])
    assert runner.calls == [["compat", "--shard", f"{shard}/{total}", "--json"] for shard in shards]
    runner.log.unlink()
    (runner.folder / "shards").mkdir()
    files = [f"shards/shard-{shard}.json" for shard in sorted(map(str, shards))]
    for file in files:
        (runner.folder / Path(file).name).rename(runner.folder / file)
    summary = runner.folder / "summary.md"
    for script in steps("merge"):
        runner.run(script, GITHUB_STEP_SUMMARY=str(summary))
    merge = ["compat", "--merge", *files]
    ends = [["--json"], ["--html"], ["--markdown"], ["--fail-on", "no"]]
    assert runner.calls == [[*merge, *end] for end in ends]
    assert summary.read_text() == "what --markdown prints\n"
    assert (runner.folder / "compat.html").read_text() == "what --html prints\n"
    assert (runner.folder / "compat.json").read_text() == "what --json prints\n"


@pytest.mark.parametrize(
    "asked", ["4; touch pwned", "$(touch pwned)", "a[$(touch pwned)]", "0", "-1", "100", "", "4\ntotal=9"]
)
def test_an_invalid_number_of_shards_stops_the_job(runner: Runner, asked: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        runner.run(steps("setup")[0], SHARDS=asked, GITHUB_OUTPUT=str(runner.folder / "output"))
    assert not (runner.folder / "pwned").exists()


def test_the_artifacts_of_a_job_are_those_that_the_next_one_reads() -> None:
    jobs = read(GITHUB)["jobs"]
    uses = {
        job: {step["uses"].split("@")[0]: step["with"] for step in jobs[job]["steps"] if "uses" in step} for job in jobs
    }
    assert uses["shard"]["actions/upload-artifact"]["name"].startswith("shard-")
    taken = uses["merge"]["actions/download-artifact"]
    assert (taken["pattern"], taken["path"], taken["merge-multiple"]) == ("shard-*", "shards", True)
    assert uses["merge"]["actions/upload-artifact"]["path"].split() == ["compat.json", "compat.html"]


def test_gitlab_runs_every_shard_once_and_merges_all(runner: Runner) -> None:
    jobs = read(GITLAB)
    total = jobs["compat"]["parallel"]
    for node in range(1, total + 1):
        for line in jobs["compat"]["script"]:
            runner.run(line, CI_NODE_INDEX=str(node), CI_NODE_TOTAL=str(total))
    assert runner.calls == [["compat", "--shard", f"{node}/{total}", "--json"] for node in range(1, total + 1)]
    runner.log.unlink()
    for line in jobs["compat-merge"]["script"]:
        runner.run(line)
    merge = ["compat", "--merge", *(f"shard-{node}.json" for node in range(1, total + 1))]
    ends = [["--json"], ["--html"], ["--markdown"], ["--fail-on", "no"]]
    assert runner.calls == [[*merge, *end] for end in ends]
    for path in jobs["compat-merge"]["artifacts"]["paths"]:
        assert (runner.folder / path).read_text().startswith("what --")
