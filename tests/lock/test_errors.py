"""Errors while resolving: the message, the hint and the exit code, and that no file changes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.families import SMALL
from support.index import LocalIndex
from support.project import Project, Ran
from support.signals import started

RESOLVERS = ["uv", "pip-compile"]
DEMUX = '[stages.demux]\nfrom = "base"\nvariants = ["cpu"]\n'


NUMPY, MODERN = 'numpy = "2.0.0"', 'packages = ["modern==3.0"]'


def line_of(project: Project, line: str) -> int:
    return (project.root / "versions.toml").read_text().splitlines().index(line) + 1


def asks(package: str, text: str = SMALL) -> str:
    return text.replace(DEMUX, f"{DEMUX}packages = [{package}]\n")


def fails(project: Project, code: int, *arguments: str) -> Ran:
    before = project.tree
    ran = project.run("resolve", *arguments)
    assert ran.code == code, ran.err + ran.out
    assert project.tree == before
    assert "bug of lockgen" not in ran.err
    assert ran.out == ""
    return ran


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_no_solution_is_explained_with_images_and_pins(small: Project, index: LocalIndex, resolver: str) -> None:
    index.add("modern", "3.0", ["numpy>=2.1"])
    small.write(asks('"modern==3.0"'))
    ran = fails(small, 3, "--resolver", resolver)
    assert "no solution for the images of cpu" in ran.err
    assert "modern" in ran.err
    assert f"pinned to 2.0.0 at line {line_of(small, NUMPY)}" in ran.err
    assert f"required by demux (line {line_of(small, MODERN)}: modern==3.0)" in ran.err
    assert "hint: " in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_package_that_does_not_exist(small: Project, resolver: str) -> None:
    small.write(asks('"numpyy"'))
    assert "numpyy" in fails(small, 3, "--resolver", resolver).err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_no_file_for_the_target(small: Project, index: LocalIndex, resolver: str) -> None:
    index.add("native", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    small.write(asks('"native"'))
    ran = fails(small, 3, "--resolver", resolver)
    assert "native" in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_source_distribution_that_is_not_allowed_to_be_built(
    small: Project, index: LocalIndex, resolver: str
) -> None:
    index.add("onlysource", "1.0", source=True)
    small.write(asks('"onlysource"'))
    assert '[family] build = ["onlysource"]' in fails(small, 3, "--resolver", resolver).err
    small.write(asks('"onlysource"').replace('python = "3.11"', 'python = "3.11"\nbuild = ["onlysource"]'))
    small.ok("resolve", "--resolver", resolver)
    line = small.written.closure("demux", "cpu")["onlysource"]
    assert line.hashes == (index.sha256("onlysource-1.0.tar.gz"),)


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_source_distribution_that_does_not_build(small: Project, index: LocalIndex, resolver: str) -> None:
    from support import index as making

    broken = making.BACKEND
    try:
        making.BACKEND = "raise RuntimeError('needs FFmpeg headers')"
        index.add("broken", "1.0", source=True)
    finally:
        making.BACKEND = broken
    small.write(asks('"broken"').replace('python = "3.11"', 'python = "3.11"\nbuild = ["broken"]'))
    ran = fails(small, 4, "--resolver", resolver)
    assert "build" in ran.err
    assert "needs FFmpeg headers" in ran.err


def test_a_record_without_a_hash_is_rejected(small: Project) -> None:
    path = small.root / "locks/index/cpu/index.json"
    document = json.loads(path.read_text())
    del document["projects"]["torch"][0]["sha256"]
    path.write_text(json.dumps(document))
    ran = fails(small, 2)
    assert "locks/index/cpu/index.json" in ran.err
    assert "lockgen index record cpu" in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_file_without_a_hash_on_the_default_index(small: Project, index: LocalIndex, resolver: str) -> None:
    index.add("bare", "1.0", hashed=False)
    small.write(asks('"bare"'))
    ran = fails(small, 3, "--resolver", resolver)
    assert "bare 1.0: the index gives no sha256 for bare-1.0-py3-none-any.whl" in ran.err


def test_a_changed_hash_is_rejected_until_the_package_is_upgraded(small: Project, index: LocalIndex) -> None:
    small.ok("resolve")
    index.add("tqdm", "4.66.0", ['colorama ; sys_platform == "win32"', 'x ; extra == "y"'], extras=["y"])
    # An unchanged resolve sends no request, so it cannot know: see tests/audit/test_files.py.
    small.ok("resolve")
    ran = fails(small, 4, "--no-cache")
    assert "the sha256 of tqdm-4.66.0-py3-none-any.whl differs from the lock" in ran.err
    assert "lockgen resolve -P tqdm" in ran.err
    small.ok("resolve", "-P", "tqdm")
    assert small.written.common("cpu")["tqdm"].hashes == (index.sha256("tqdm-4.66.0-py3-none-any.whl"),)


def test_an_edited_hash_in_the_lock_is_rejected(small: Project, index: LocalIndex) -> None:
    small.ok("resolve")
    path = small.root / "locks/lock.json"
    digest = index.sha256("speech-1.0-py3-none-any.whl")
    path.write_text(path.read_text().replace(digest, "0" * 64))
    assert small.run("check").code == 1
    ran = fails(small, 4)
    assert "edited by hand" in ran.err
    assert "the sha256 of speech-1.0-py3-none-any.whl differs" in ran.err


def test_a_variant_without_the_index_of_a_package(small: Project) -> None:
    small.write(SMALL.replace('index = "cpu"\n', "").replace('pins = { torch = "2.5.1+cpu" }\n', ""))
    ran = fails(small, 3)
    assert "variant cpu needs torch, which comes only from cpu, cu121" in ran.err.replace(" or ", ", ")
    assert "[variants.cpu] index =" in ran.err


def test_a_missing_record(small: Project) -> None:
    (small.root / "locks/index/cpu/index.json").unlink()
    ran = fails(small, 2)
    assert "index cpu has no record in locks/index/cpu" in ran.err
    assert "lockgen index record cpu" in ran.err


def test_a_record_with_edited_metadata_is_rejected(small: Project) -> None:
    path = small.root / "locks/index/cu121/metadata/torch-2.5.1+cu121.txt"
    path.write_text(path.read_text() + "Requires-Dist: evil\n")
    ran = fails(small, 2)
    assert "locks/index/cu121/metadata/torch-2.5.1+cu121.txt" in ran.err
    assert "the sha256 differs from the recorded one" in ran.err


def test_an_index_that_is_down(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    ran = fails(small, 4)
    assert "the index could not be read" in ran.err
    assert "hint: " in ran.err


def test_an_index_that_closes_the_connection_early(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    status, headers, body = index.respond("/simple/numpy/")
    index.answers["/simple/numpy/"] = (status, {**headers, "Content-Length": str(len(body) + 500)}, body)
    ran = fails(small, 4)
    assert "index" in ran.err


def test_an_index_that_times_out(small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    respond = index.respond

    def slowly(path: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/simple/numpy/":
            time.sleep(3)
        return respond(path)

    monkeypatch.setattr(index, "respond", slowly)
    assert "index" in fails(small, 4).err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_credentials_are_not_sent_to_the_host_of_a_redirect(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, resolver: str
) -> None:
    from support.index import LocalIndex as Other
    from support.index import serving

    seen: list[str] = []
    with serving(Other()) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        index.answers["/simple/numpy/"] = (302, {"Location": f"{elsewhere}/numpy/"}, b"")
        other.pages["numpy"] = index.pages["numpy"]
        respond = other.respond
        monkeypatch.setattr(other, "respond", lambda path: seen.append(path) or respond(path))  # type: ignore[func-returns-value]
        secret = index.url.replace("http://", "http://robot:s3cr3t@")
        monkeypatch.setenv("UV_DEFAULT_INDEX", secret)
        monkeypatch.setenv("PIP_INDEX_URL", secret)
        ran = small.run("resolve", "--resolver", resolver)
    assert "s3cr3t" not in ran.err + ran.out
    assert seen, "the redirect was followed"
    assert all("s3cr3t" not in str(headers) for headers in other.headers)
    assert all(b"s3cr3t" not in data for data in small.tree.values())


def test_uv_is_too_old(small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "uv"
    stub.write_text("#!/bin/sh\necho 'uv 0.4.0'\n")
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("lockgen.resolvers.uv.find_uv", lambda: str(stub))
    ran = fails(small, 4)
    assert "uv 0.4.0 is too old" in ran.err
    assert "pip install -U uv" in ran.err


def test_uv_is_missing(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "/nowhere")
    ran = fails(small, 4)
    assert "uv was not found" in ran.err
    assert "pip install uv" in ran.err


def test_offline_with_a_cold_cache(small: Project) -> None:
    ran = fails(small, 4, "--offline")
    assert "the cache lacks files that this resolution needs" in ran.err
    assert "without --offline" in ran.err


def test_offline_with_a_warm_cache(small: Project, index: LocalIndex) -> None:
    small.ok("resolve")
    (small.root / "locks/lock.json").unlink()
    index.asked.clear()
    small.ok("resolve", "--offline")
    assert index.asked == []


def test_offline_and_live_exclude_each_other(small: Project) -> None:
    assert "are mutually exclusive" in fails(small, 2, "--offline", "--live").err


def test_an_unknown_option(small: Project) -> None:
    assert fails(small, 2, "--ofline").err.count("--offline") == 1


def test_upgrading_a_package_that_is_not_in_the_lock(small: Project) -> None:
    small.ok("resolve")
    ran = fails(small, 2, "-P", "numppy")
    assert "no package 'numppy' in the lock" in ran.err
    assert "numpy" in ran.err


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9}', '{"format": 1, "packages": 3}', ""])
def test_an_invalid_lock_is_rejected_and_replaced_by_resolve(small: Project, text: str) -> None:
    small.ok("resolve")
    good = small.tree
    small.write(text, "locks/lock.json")
    for command in ("check", "diff", "why"):
        ran = small.run(command, *(["numpy"] if command == "why" else []))
        assert ran.code == 2, command
        assert "locks/lock.json" in ran.err + ran.out
    small.ok("resolve")
    assert small.tree == good


def command_line(project: Project, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lockgen", "--project", str(project.root), *arguments]


def test_an_interrupt_changes_no_files(small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.tree
    respond = index.respond
    asked = threading.Event()

    def slowly(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        time.sleep(5)
        return respond(path)

    monkeypatch.setattr(index, "respond", slowly)
    with started(command_line(small, "resolve")) as running:
        while not asked.is_set():
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert small.tree == before


def test_two_concurrent_runs_do_not_interleave(small: Project) -> None:
    both = [
        subprocess.Popen(command_line(small, "resolve"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert small.ok("check").out == ""
    assert sum("no changes" in out for out, _ in ends) == 1, "the second run found the lock of the first"


def test_a_full_disk(small: Project, tmp_path: Path) -> None:
    """A real full disk, where one can be mounted. The simulated one below runs everywhere."""
    small.ok("resolve")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(disk)], check=False).returncode:
        return
    try:
        subprocess.run(["cp", "-r", str(small.root), str(disk / "p")], check=True)
        full = Project(disk / "p", small.capsys)
        full.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "1.26.4"'))
        (disk / "ballast").touch()
        with pytest.raises(OSError, match="No space"):
            (disk / "ballast").write_bytes(b"x" * 600_000)
        assert "no space left" in fails(full, 4).err.lower()
        (disk / "ballast").unlink()
        full.ok("resolve")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_while_writing(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    small.ok("resolve")
    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "1.26.4"'))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = fails(small, 4)
    assert "no space left" in ran.err.lower()
    monkeypatch.undo()


def test_a_live_index_without_a_hash_for_a_pin(small: Project, index: LocalIndex) -> None:
    linux = "cp311-cp311-linux_x86_64"
    index.add("torch", "2.5.1+cu121", ["filelock"], tag=linux, hashed=False)
    index.add("torch", "2.5.1+cpu", ["filelock"], tag=linux)
    index.add("torchaudio", "2.5.1+cpu", ["torch==2.5.1"], tag=linux)
    text = SMALL.replace("https://index.example/whl/cu121", index.url).replace(
        "https://index.example/whl/cpu", index.url
    )
    small.write(text)
    ran = fails(small, 3, "--live")
    assert "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl was left out: the index gives no sha256 for it" in ran.err


def test_a_record_without_the_pinned_version(small: Project) -> None:
    small.write(SMALL.replace("2.5.1+cu121", "2.6.0+cu121"))
    ran = fails(small, 3)
    assert "index cu121 has no torch ==2.6.0+cu121 that runs on the target" in ran.err
    assert "lockgen index record" in ran.err


def test_a_variant_without_the_index_of_its_pin(small: Project) -> None:
    small.write(SMALL.replace('[variants.cuda]\nindex = "cu121"\n', "[variants.cuda]\n"))
    ran = fails(small, 3)
    assert '[variants.cuda] index = "cu121"' in ran.err
    assert "versions.toml:" in ran.err


def test_an_unused_pin_and_an_unknown_extra_are_reported(small: Project) -> None:
    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "2.0.0"\nfilelok = "3.0.0"').replace("[fast]", "[fst]"))
    ran = small.ok("resolve")
    assert "the pin of filelok has no effect: no image needs it" in ran.err
    assert "did you mean filelock?" in ran.err
    assert "speech 1.0 has no extra `fst`" in ran.err


def test_resolve_check_creates_no_state_folder(small: Project) -> None:
    small.ok("resolve")
    state = small.root / ".lockgen"
    for path in sorted(state.rglob("*"), reverse=True):
        path.unlink()
    state.rmdir()
    assert small.run("resolve", "--check", "--offline").code == 0
    assert not state.exists(), "no file was written, not even one for locking"
