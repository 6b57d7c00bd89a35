"""Settings of the user for pip or uv do not change a solution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.asking import CP, LINUX, ask, comparable, versions
from support.index import LocalIndex, metadata, serving, wheel

from lockgen.core.resolution import Resolver
from lockgen.io.http import Http
from lockgen.resolvers.pip_compile import PipCompile
from lockgen.resolvers.uv import Uv


@pytest.fixture
def tempting(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another index and a folder of wheels, with newer versions of the required packages."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with serving(LocalIndex()) as other:
        for version in ("8.0", "9.0"):
            other.add("pkg", version)
            name, data = wheel("pkg", version, "py3-none-any", metadata("pkg", version, [], [], None))
            (folder / name).write_bytes(data)
        yield other.url, folder


# Separate groups, because one leak can hide another: the lowest version of a longer list is still that of the index.
NEWER = {
    "PIP_EXTRA_INDEX_URL": "{url}",
    "PIP_FIND_LINKS": "{folder}",
    "PIP_PRE": "1",
    "PIP_TOOLS_PRE": "1",
    "UV_EXTRA_INDEX_URL": "{url}",
    "UV_INDEX": "{url}",
    "UV_FIND_LINKS": "{folder}",
    "UV_PRERELEASE": "allow",
    "UV_INDEX_STRATEGY": "unsafe-best-match",
}
OLDER = {
    "PIP_CONSTRAINT": "{constraint}",
    "PIP_REQUIRE_HASHES": "1",
    "UV_CONSTRAINT": "{constraint}",
    "UV_OVERRIDE": "{constraint}",
    "UV_RESOLUTION": "lowest",
    "UV_REQUIRE_HASHES": "1",
}
NOTHING = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_ONLY_BINARY": ":none:",
    "UV_NO_INDEX": "1",
    "UV_NO_BINARY": "1",
    "UV_OFFLINE": "1",
    "UV_EXCLUDE_NEWER": "2001-01-01T00:00:00Z",
}


@pytest.mark.parametrize("leaks", [NEWER, OLDER, NOTHING], ids=["newer", "older", "nothing"])
def test_environment_variables_of_pip_and_uv_have_no_effect(
    index: LocalIndex,
    resolver: Resolver,
    tempting: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leaks: dict[str, str],
) -> None:
    index.add("pkg", "1.0")
    name = index.add("pkg", "2.0")
    index.add("pkg", "3.0rc1")
    url, folder = tempting
    constraint = tmp_path / "constraint.txt"
    constraint.write_text("pkg==1.0\n")
    for variable, value in leaks.items():
        monkeypatch.setenv(variable, value.format(url=url, folder=folder, constraint=constraint))
    expected = ((name, index.sha256(name), len(index.files[name])),)
    assert comparable(resolver.solve(ask("pkg"))) == {"pkg": ("2.0", None, expected)}


def test_configuration_files_of_the_user_have_no_effect(
    index: LocalIndex, resolver: Resolver, empty_home: Path, tempting: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("pkg", "2.0")
    url, folder = tempting
    (empty_home / ".config/uv").mkdir()
    (empty_home / ".config/uv/uv.toml").write_text(
        f'find-links = ["{folder}"]\nextra-index-url = ["{url}"]\nindex-strategy = "unsafe-best-match"\n'
    )
    pip_conf = empty_home / "pip.conf"
    pip_conf.write_text(f"[global]\nextra-index-url = {url}\nfind-links = {folder}\npre = true\n")
    (empty_home / ".config/pip").mkdir()
    (empty_home / ".config/pip/pip.conf").write_text(pip_conf.read_text())
    monkeypatch.setenv("PIP_CONFIG_FILE", str(pip_conf))
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "2.0"}


def test_files_in_the_current_folder_have_no_effect(
    index: LocalIndex, resolver: Resolver, tempting: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("pkg", "2.0")
    url, _ = tempting
    (tmp_path / "uv.toml").write_text(f'extra-index-url = ["{url}"]\n')
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.uv]\nextra-index-url = ["{url}"]\nconstraint-dependencies = ["pkg>=8"]\n[tool.pip-tools]\npre = true\n'
    )
    (tmp_path / "piptools.py").write_text("raise SystemExit('the wrong piptools')\n")
    monkeypatch.chdir(tmp_path)
    assert versions(resolver.solve(ask("pkg"))) == {"pkg": "2.0"}


def test_both_resolvers_give_the_same_solution(index: LocalIndex) -> None:
    index.add("app", "1.0", ["lib[fast]>=1", "torch>=2.4", 'win ; sys_platform == "win32"'])
    index.add("lib", "1.0", ['speed<2 ; extra == "fast"'], extras=["fast"])
    index.add("lib", "1.5", ['speed<2 ; extra == "fast"'], extras=["fast"], tag=LINUX)
    index.add("lib", "1.5", ['speed<2 ; extra == "fast"'], extras=["fast"], tag=f"{CP}-none-any")
    index.add("lib", "1.5", ['speed<2 ; extra == "fast"'], extras=["fast"], tag=f"{CP}-{CP}-win_amd64")
    for version in ("1.0", "1.9.post1", "2.0"):
        index.add("speed", version)
    index.add("torch", "2.9.0")
    index.add("numpy", "2.0")
    index.add("filelock", "3.0")
    index.add("filelock", "3.1")
    index.add("built", "1.0", source=True)
    request = ask(
        "app", "built", "torchaudio", pins=["unused==1"], routed=["torch", "torchaudio"], build=["built"],
        kept={"filelock": "3.0"},
    )  # fmt: skip
    mine, other = (comparable(one.solve(request)) for one in (Uv(), PipCompile(Http())))
    assert mine == other
    assert {name: entry[:2] for name, entry in mine.items()} == {
        "app": ("1.0", None),
        "built": ("1.0", None),
        "filelock": ("3.0", None),
        "lib": ("1.5", None),
        "numpy": ("2.0", None),
        "speed": ("1.9.post1", None),
        "torch": ("2.5.1+cu121", "cu121"),
        "torchaudio": ("2.5.1+cu121", "cu121"),
    }
    assert len(mine["lib"][2]) == 2
