"""What a run of checks consists of, wherever it takes place: its files, the supervisor's plan, and the result. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from lockgen.core.templating import render
from lockgen.proof.model import Checks, ImageRun
from lockgen.proof.verdict import NotReported, image_run, parse_report

MOST_WRITTEN = 2_000_000_000
"""The most bytes that checks may write into a folder."""
_MOST_OUTPUT = 50_000_000
_IMPORTER = "importer.py"
_REQUEST = "request.json"


class CannotRun(Exception):
    """The checks cannot be run in a place; the text says why."""


class Inside(NamedTuple):
    """Paths as the checks see them.

    ``control`` has the files of ``control_files``, ``scratch`` is for temporary files, ``app`` is the image's working
    directory, and ``python`` its interpreter.
    """

    control: str
    scratch: str
    app: str
    python: str

    @property
    def bytecode(self) -> str:
        """Where the steps of one run keep bytecode, so that only the first compiles.

        Not longer: a second image would seem to be faster, could get bytecode from the first, and Python mistakes two
        versions of a file of one size and second for each other.
        """
        return f"{self.scratch}/bytecode"


def control_files(checks: Checks) -> dict[str, str]:
    """The files that the plan needs, by name."""
    wanted = [{"name": check.name, "modules": check.modules} for check in checks.imports]
    return {_IMPORTER: render("proof/templates/importer.py.j2"), _REQUEST: json.dumps(wanted)}


def supervisor_plan(
    checks: Checks, inside: Inside, variables: Mapping[str, str], *, is_alone: bool
) -> dict[str, object]:
    """The plan: the imports, then each test. ``variables`` are the whole environment.

    ``is_alone`` is whether the place has its own process ids.
    """
    return {
        "format": 1,
        "memory": checks.limits.memory,
        "output": _MOST_OUTPUT,
        "alone": is_alone,
        "steps": _steps(checks, inside, variables),
    }


def _steps(checks: Checks, inside: Inside, variables: Mapping[str, str]) -> list[dict[str, object]]:
    tests: list[dict[str, object]] = [{"argv": list(test)} for test in checks.tests]
    shared = {"cwd": inside.app, "env": dict(variables), "seconds": checks.limits.seconds}
    return [{**shared, **command} for command in (_importing(inside), *tests)]


def _importing(inside: Inside) -> dict[str, object]:
    events = f"{inside.scratch}/events.jsonl"
    importer = [f"{inside.control}/{name}" for name in (_IMPORTER, _REQUEST)]
    # With -I, Python ignores PYTHONPYCACHEPREFIX.
    options = ["-I", "-X", f"pycache_prefix={inside.bytecode}"]
    return {"argv": [inside.python, *options, *importer, events], "events": events}


def most_seconds(checks: Checks) -> float:
    """How long the supervisor may take. The steps have their own limits: this one is for a supervisor that fails."""
    return (len(checks.tests) + 1) * (checks.limits.seconds + 30)


def variables_of_checks(checks: Checks, inside: Inside) -> dict[str, str]:
    """The variables that every place sets."""
    variables = {"HOME": inside.scratch, "TMPDIR": inside.scratch, "PYTHONPYCACHEPREFIX": inside.bytecode}
    if not checks.limits.network:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def result_of(checks: Checks, text: str, *, in_image: bool) -> ImageRun:
    """The result that the supervisor reports in ``text``.

    Raises:
        CannotRun: the report is missing or damaged.
    """
    try:
        report = parse_report(text)
    except NotReported as error:
        raise CannotRun(f"the checks ended without a report: {error}") from error
    return image_run(checks, report, in_image=in_image)
