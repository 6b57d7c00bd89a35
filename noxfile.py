"""Sessions: `nox -s tests lint types`; `nox -s bench` measures; `nox -s compat` shows what works with what."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox need not have lockgen beside it
import lockgen.nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = True

GROUPS = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, group: str) -> None:
    session.install("-q", "-e", ".", *nox.project.dependency_groups(GROUPS, group))


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, with coverage of commands and of the processes they start. Arguments go to pytest."""
    install(session, "test")
    session.run("coverage", "erase")
    if session.posargs:
        session.run("coverage", "run", "-m", "pytest", *session.posargs)
    else:
        session.run("coverage", "run", "-m", "pytest", "-n", "auto", "--dist", "worksteal", "--ignore=tests/engine")
        # One engine, and one family that each test hands on to the next: not in parallel.
        session.run("coverage", "run", "-m", "pytest", "tests/engine")
    session.run("coverage", "combine", "-q")
    # A part of the tests covers a part of the code: only the whole has a bound.
    session.run("coverage", "report", *([] if session.posargs else ["--fail-under=90"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lint."""
    install(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strict, of everything."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Measures lockgen beside uv, pip-compile and pip-compile-multi; writes bench/RESULTS.md (some ten minutes)."""
    install(session, "test")
    session.run("python", "bench/run.py", *session.posargs)


@nox.session(name="bench-images")
def bench_images(session: nox.Session) -> None:
    """Builds the reference family as it was, by hand, and by lockgen; writes bench/IMAGES.md (an hour, 70 GB).

    Needs root, an engine for itself with a registry (.ci/engine-up), and the network.
    """
    install(session, "bench")
    session.run("python", "bench/images.py", *session.posargs)


lockgen.nox.compat(install=["-e", "."])
