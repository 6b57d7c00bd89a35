"""The tiny family for every test here, and a base image for engines that a test starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engines import Engine, dockerd, save_small_base, second_engine
from support.tiny import engine, tiny

__all__ = ["engine", "tiny"]


@pytest.fixture(scope="session")
def small_base(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of `docker save`, for engines that a test starts."""
    dockerd()
    return save_small_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def other(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A second engine, with the image store of containerd; the engine of the machine uses the classic store."""
    with second_engine(tmp_path_factory.mktemp("other"), dockerd(), small_base, store=True) as engine:
        yield engine
