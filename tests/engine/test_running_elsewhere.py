"""Checks in containers of an engine on another machine: by TCP, with the image store of containerd."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.engines import Engine, dockerd, second_engine
from support.tiny import PYTHON

from lockgen.io import containers
from lockgen.proof.check_run import CannotRun
from lockgen.proof.engine_place import EnginePlace
from lockgen.proof.model import Checks, ImportCheck

DOCKERFILE = f"""\
FROM {PYTHON}
RUN python -m venv --without-pip /opt/venv
COPY Dockerfile /app/
WORKDIR /app
USER 1000:1000
"""


def place_on(other: Engine, folder: Path) -> EnginePlace:
    (folder / "Dockerfile").write_text(DOCKERFILE)
    other.docker("build", "--quiet", "--tag", "lockgen-test", str(folder))
    engine = containers.Engine(folder)
    image = engine.image("lockgen-test")
    assert image is not None
    return EnginePlace(engine, image, size=20_000_000)


@pytest.fixture
def place(other: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnginePlace:
    monkeypatch.setenv("DOCKER_HOST", other.tcp)
    return place_on(other, tmp_path)


def test_no_file_of_this_machine_is_needed(place: EnginePlace) -> None:
    found = place.run(
        Checks((ImportCheck("json", ("json",)),), (("cat", "Dockerfile"), ("cat", "/checks/importer.py")))
    )
    assert (found.status, found.problems) == ("yes", ())


def test_a_container_ends_with_its_client(place: EnginePlace, other: Engine) -> None:
    errors: list[str] = []

    def run() -> None:
        try:
            place.run(Checks((), (("sleep", "600"),)))
        except CannotRun as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    _wait_for(lambda: _containers(other) != [])
    ran = subprocess.run(
        ["pgrep", "-f", f"docker run --name {_name(other)}"], capture_output=True, text=True, check=True
    )
    for process in ran.stdout.split():
        subprocess.run(["kill", "-KILL", process], check=True)
    thread.join(60)
    _wait_for(lambda: _containers(other) == [])
    assert errors == ["docker ended with signal 9 and without a report: no message"]


@pytest.fixture
def dying(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with second_engine(tmp_path_factory.mktemp("dying"), dockerd(), small_base) as engine:
        yield engine


def test_an_engine_that_dies_makes_the_result_unknown(
    dying: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", dying.tcp)
    place = place_on(dying, tmp_path)

    def kill() -> None:
        _wait_for(lambda: _containers(dying) != [])
        dying.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(CannotRun, match=r"docker ended with .* without a report|the engine does not start the image"):
        place.run(Checks((), (("sleep", "600"),)))
    killer.join()


def _containers(engine: Engine) -> list[str]:
    return engine.docker("ps", "--all", "--quiet", "--filter", f"label={containers.LABEL}").split()


def _name(engine: Engine) -> str:
    return engine.docker("ps", "--filter", f"label={containers.LABEL}", "--format", "{{.Names}}")


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
