"""Sessions: `nox -s tests lint types`, `coverage`, `explore`, `fuzz`, `mutation`, `quality`, `bench`, `bench-images`,
`replay`, `compat`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox may run without lockgen installed
import lockgen.nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = True

GROUPS = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, group: str) -> None:
    session.install("-q", "-e", ".", *nox.project.dependency_groups(GROUPS, group))


# Bytecode of lockgen is compiled once, not by each of the thousands of processes that the tests start.
BYTECODE = {"PYTHONDONTWRITEBYTECODE": None}

PARALLEL = ("-m", "pytest", "-n", "auto", "--dist", "worksteal", "--durations=10", "-rs", "--ignore=tests/engine")
# The tests of a module share one family, which each test hands on to the next. Modules run in parallel, on one engine.
ENGINE = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "--durations=10", "-rs", "tests/engine")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests. Arguments go to pytest: `nox -s tests -- tests/lock`."""
    install(session, "test")
    if session.posargs:
        session.run("python", "-m", "pytest", *session.posargs, env=BYTECODE)
        return
    session.run("python", *PARALLEL, env=BYTECODE)
    session.run("python", *ENGINE, env=BYTECODE)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests with coverage of commands and of the processes that they start (twice the time on Python 3.11)."""
    install(session, "test")
    session.run("coverage", "erase")
    session.run("coverage", "run", *PARALLEL, *session.posargs, env=BYTECODE)
    session.run("coverage", "run", *ENGINE, env=BYTECODE)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report", "--fail-under=90")


@nox.session
def explore(session: nox.Session) -> None:
    """Run the property tests with fresh examples and ten times as many (an hour or more)."""
    install(session, "test")
    budget = {"EXPLORE": "1", "LOCKGEN_TEST_BUDGET": "10"}
    session.run("python", *PARALLEL, "-m", "property", *session.posargs, env={**BYTECODE, **budget})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz what reads archives, pages and files, for an hour: `nox -s fuzz -- --seconds 600 [TARGET...]`."""
    install(session, "fuzz")
    session.run("python", "tests/fuzz/run.py", *session.posargs, env=BYTECODE)


@nox.session
def mutation(session: nox.Session) -> None:
    """Mutate modules, and run their nearest tests on each mutant: `nox -s mutation -- [MODULE...]`."""
    install(session, "mutation")
    session.run("python", "bench/mutation.py", *session.posargs, env=BYTECODE)


@nox.session
def quality(session: nox.Session) -> None:
    """Print figures about the source code: density, comments, complexity. A mirror, not a gate."""
    install(session, "quality")
    session.run("python", "bench/quality.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Check formatting and lint."""
    install(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, everywhere."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure lockgen against uv, pip-compile and pip-compile-multi; write bench/RESULTS.md (ten minutes)."""
    install(session, "test")
    session.run("python", "bench/run.py", *session.posargs)


@nox.session(name="bench-images")
def bench_images(session: nox.Session) -> None:
    """Build the reference family in three ways; write bench/IMAGES.md (an hour, 70 GB).

    Needs root, an unused engine with a registry (.ci/engine-up), and the network.
    """
    install(session, "bench")
    session.run("python", "bench/images.py", *session.posargs)


@nox.session
def replay(session: nox.Session) -> None:
    """Replay a year of updates, and judge whether they work; write bench/REPLAY.md (hours, 15 GB).

    `nox -s replay -- --continue` keeps the recorded months. The judge runs installed packages without a sandbox.
    """
    install(session, "test")
    session.run("python", "bench/replay.py", *session.posargs)


lockgen.nox.compat(install=["-e", "."])
