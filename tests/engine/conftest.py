"""The tiny family for every test here, and the base image for engines of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engines import Engine, dockerd, save_small_base, second_engine
from support.tiny import engine, tiny

__all__ = ["engine", "tiny"]


@pytest.fixture(scope="session")
def small_base(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `docker save`; engines that a test starts load it."""
    dockerd()
    return save_small_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def other(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A second engine, with the image store of containerd: the machine's own has the other one."""
    with second_engine(tmp_path_factory.mktemp("other"), dockerd(), small_base, store=True) as engine:
        yield engine
