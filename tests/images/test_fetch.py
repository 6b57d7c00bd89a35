"""The wheelhouse: it contains every locked file once, hashes are checked, and broken downloads resume."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from support.families import cpu_family
from support.hand_server import Answer, Asked, Hand, hand, metadata_of, ranged, wheel_of
from support.index import LocalIndex, wheel
from support.project import Project
from support.signals import started

FAMILY = cpu_family(
    "small",
    """\
[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
packages = ["speech"]
""",
)


SPEECH = "speech-1.0-py3-none-any.whl"
LARGE = wheel_of(SPEECH, metadata_of("speech", "1.0", ["numpy"]), before=bytes(range(256)) * 2400)


def resolved_behind(project: Project, index: LocalIndex, server: Hand) -> Path:
    """Resolve the family, with a `speech` of 600 kB that ``server`` sends; return the wheelhouse, still empty."""
    index.add("numpy", "2.0.0")
    index.add_file("speech", SPEECH, LARGE, metadata_of("speech", "1.0", ["numpy"]).decode())
    project.write(FAMILY)
    project.ok("resolve")
    index.pages["speech"][SPEECH]["url"] = f"{server.url}/{SPEECH}"
    server.asked.clear()
    return project.root.parent / "wheelhouse"


def honest(asked: Asked) -> Answer:
    return ranged(LARGE, asked)


def cut_off(asked: Asked, at: int = 300_000) -> Answer:
    """The answer to ``asked``, with the connection closed after ``at`` bytes of it."""
    whole = ranged(LARGE, asked)
    return Answer(whole.status, whole.body[:at], whole.headers, len(whole.body))


def ranges(server: Hand) -> list[str | None]:
    return [asked.headers.get("range") for asked in server.asked]


def part_of(folder: Path) -> Path:
    return folder / "files" / f"{SPEECH}.{hashlib.sha256(LARGE).hexdigest()[:12]}.part"


def filled(project: Project, index: LocalIndex) -> Path:
    index.add("numpy", "2.0.0")
    index.add("speech", "1.0", ["numpy"])
    project.write(FAMILY)
    project.ok("resolve")
    folder = project.root.parent / "wheelhouse"
    project.ok("fetch", str(folder))
    return folder


def test_each_file_is_stored_once_and_linked_for_each_image(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    listed = json.loads((folder / "wheelhouse.json").read_text())["files"]
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "files").iterdir()}
    assert there == listed
    assert {path.name.partition("-")[0] for path in folder.glob("*/*.whl")} == {"numpy", "speech", "uv"}
    assert [path.name for path in (folder / "asr-cpu").iterdir()] == ["speech-1.0-py3-none-any.whl"]
    assert [path.name for path in (folder / "base-cpu").iterdir()] == ["numpy-2.0.0-py3-none-any.whl"]


def test_two_files_of_the_same_name_are_both_stored(project: Project, index: LocalIndex) -> None:
    """Two indexes may serve different bytes under one name. Every image gets those in its own lock."""
    index.add("numpy", "2.0.0")
    index.add("speech", "1.0")
    name, data = wheel(
        "speech", "1.0", "py3-none-any", "Metadata-Version: 2.1\nName: speech\nVersion: 1.0\n", "X = 1\n"
    )
    link = f'<a href="/whl/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>'
    index.answers |= {
        "/whl/speech/": (200, {"Content-Type": "text/html"}, link.encode()),
        f"/whl/{name}": (200, {}, data),
    }
    text = FAMILY.replace("[common]", 'pins = { speech = "1.0" }  # not from the index that lists it\n\n[common]')
    own = f'[index.own]\nurl = "{index.url.removesuffix("/simple")}/whl"\npackages = ["speech"]\n'
    project.write(f'{text}{own}[variants.own]\nindex = "own"\nfrom = "python:3.11-slim"\n')
    project.ok("resolve")
    folder = project.root.parent / "wheelhouse"
    for _ in range(2):
        project.ok("fetch", str(folder))
        assert (folder / "asr-own" / name).read_bytes() == data
        assert (folder / "asr-cpu" / name).read_bytes() == index.files[name]
        listed = json.loads((folder / "wheelhouse.json").read_text())["files"]
        for path, digest in listed.items():
            assert hashlib.sha256((folder / "files" / path).read_bytes()).hexdigest() == digest
        assert len(listed) == 4


def test_a_second_run_downloads_nothing(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    index.asked.clear()
    project.ok("fetch", str(folder))
    assert not [path for path in index.asked if path.startswith("/files/")]


def test_a_corrupted_file_is_replaced(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    file = folder / "files" / "speech-1.0-py3-none-any.whl"
    honest = file.read_bytes()
    file.unlink()
    file.write_bytes(b"something else")
    project.ok("fetch", str(folder))
    assert file.read_bytes() == honest
    assert (folder / "asr-cpu" / file.name).read_bytes() == honest


def test_a_partial_download_is_resumed(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    file = folder / "files" / "speech-1.0-py3-none-any.whl"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    part = file.with_name(f"{file.name}.{digest[:12]}.part")
    part.write_bytes(file.read_bytes()[:100])
    file.unlink()
    project.ok("fetch", str(folder))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert not part.exists()


def test_a_hash_mismatch_is_refused(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    name = "speech-1.0-py3-none-any.whl"
    (folder / "files" / name).unlink()
    index.files[name] = b"not the wheel"
    failed = project.run("fetch", str(folder))
    assert failed.code == 4
    assert f"hash mismatch of {name}" in failed.err
    assert [path.name for path in (folder / "files").iterdir() if path.name.startswith("speech")] == []


def test_a_broken_connection_is_resumed_in_the_same_run(project: Project, index: LocalIndex) -> None:
    """lockgen requests only the rest, and the whole file has the locked hash."""
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        server.respond = lambda asked: honest(asked) if "range" in asked.headers else cut_off(asked)
        server.sent = 0
        project.ok("fetch", str(folder))
        first, second = ranges(server)
        assert first is None
        assert second is not None
        start = int(second.removeprefix("bytes=").removesuffix("-"))
        assert 200_000 < start <= 300_000
        assert server.sent == 300_000 + len(LARGE) - start
    assert (folder / "asr-cpu" / SPEECH).read_bytes() == LARGE
    assert not part_of(folder).exists()


def test_received_bytes_are_kept_if_the_server_keeps_failing(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        server.respond = lambda asked: cut_off(asked, 100_000)
        failed = project.run("fetch", str(folder))
        assert failed.code == 4
        assert f"the download of {SPEECH} was interrupted: " in failed.err
        assert "run the command again: it continues the download" in failed.err
        assert (folder / "files" / "numpy-2.0.0-py3-none-any.whl").is_file()
        assert not (folder / "files" / SPEECH).exists()
        came = part_of(folder).read_bytes()
        assert len(came) > 200_000
        assert LARGE.startswith(came)
        server.respond = honest
        server.asked.clear()
        project.ok("fetch", str(folder))
        assert ranges(server) == [f"bytes={len(came)}-"]
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


def test_a_corrupted_part_is_discarded(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        part_of(folder).parent.mkdir(parents=True)
        part_of(folder).write_bytes(b"evil" + LARGE[4:200_000])
        project.ok("fetch", str(folder))
        assert ranges(server) == ["bytes=200000-", None]
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


def test_a_part_that_is_too_long_is_discarded(project: Project, index: LocalIndex) -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(416) if "range" in asked.headers else honest(asked)

    with hand(respond) as server:
        folder = resolved_behind(project, index, server)
        part_of(folder).parent.mkdir(parents=True)
        part_of(folder).write_bytes(LARGE + b"more")
        project.ok("fetch", str(folder))
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


def test_a_server_without_ranges_sends_the_whole_file(project: Project, index: LocalIndex) -> None:
    with hand(lambda asked: Answer(200, LARGE)) as server:
        folder = resolved_behind(project, index, server)
        part_of(folder).parent.mkdir(parents=True)
        part_of(folder).write_bytes(LARGE[:1000])
        project.ok("fetch", str(folder))
        assert ranges(server) == ["bytes=1000-"]
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


def test_a_full_disk_is_reported(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        part_of(folder).parent.mkdir(parents=True)
        part_of(folder).symlink_to("/dev/full")
        failed = project.run("fetch", str(folder))
        assert len(server.asked) == 1
    assert failed.code == 4
    assert f"cannot write {part_of(folder)}: No space left on device" in failed.err
    assert "free some space" in failed.err


def test_a_folder_that_cannot_be_created_is_reported(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        folder.write_text("a file\n")
        failed = project.run("fetch", str(folder / "below"))
    assert failed.code == 4
    assert f"cannot write {folder / 'below'}: Not a directory" in failed.err


def test_a_missing_file_is_reported_and_the_others_are_kept(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        server.respond = lambda asked: Answer(404)
        failed = project.run("fetch", str(folder))
        assert len(server.asked) == 1
    assert failed.code == 4
    assert f"{SPEECH} is not at {server.url}/{SPEECH}: HTTP 404" in failed.err
    assert (folder / "files" / "numpy-2.0.0-py3-none-any.whl").is_file()


def test_a_complete_wheelhouse_needs_no_requests(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    index.asked.clear()
    project.ok("fetch", str(folder))
    assert index.asked == []


def dripping(asked: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    for start in range(0, len(LARGE), 8192):
        yield LARGE[start : start + 8192]
        time.sleep(0.05)


def test_ctrl_c_stops_at_once_and_keeps_received_bytes(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        server.respond = dripping
        command = [sys.executable, "-m", "lockgen", "-C", str(project.root), "fetch", str(folder)]
        with started(command) as child:
            while not part_of(folder).is_file() or part_of(folder).stat().st_size < 128_000:
                assert child.poll() is None
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            sent = server.sent
            out, err = child.communicate(timeout=20)
        assert (child.returncode, out) == (130, "")
        assert "interrupted" in err
        assert "Traceback" not in err
        assert server.sent < sent + 300_000
        came = part_of(folder).stat().st_size
        server.respond = honest
        server.asked.clear()
        project.ok("fetch", str(folder))
        assert ranges(server) == [f"bytes={came}-"]
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


def test_two_runs_wait_for_each_other(project: Project, index: LocalIndex) -> None:
    with hand(honest) as server:
        folder = resolved_behind(project, index, server)
        server.respond = dripping
        command = [sys.executable, "-m", "lockgen", "-C", str(project.root), "fetch", str(folder)]
        children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [child.communicate(timeout=60)[1] for child in children]
        assert [child.returncode for child in children] == [0, 0]
        assert len(server.asked) == 1
    assert sum("another lockgen process is downloading" in err for err in outputs) == 1
    assert sum("0 fetched" in err for err in outputs) == 1
    assert (folder / "files" / SPEECH).read_bytes() == LARGE


COUNTED = """\
import json, os, sys
calls, sync = [], os.fsync
def counted(handle):
    calls.append(os.readlink(f"/proc/self/fd/{handle}"))
    sync(handle)
os.fsync = counted
from lockgen.cli import guarded
code = guarded(["-q", "-C", sys.argv[1], "fetch", sys.argv[2]])
print(json.dumps(calls))
sys.exit(code)
"""


def synced(project: Project, folder: Path) -> list[str]:
    """The files that `fetch` waits for the disk with."""
    command = [sys.executable, "-c", COUNTED, str(project.root), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [str(path) for path in json.loads(done.stdout.splitlines()[-1])]


def resolved(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "2.0.0")
    index.add("speech", "1.0", ["numpy"])
    project.write(FAMILY)
    project.ok("resolve")


def test_fetch_waits_once_for_the_disk_however_many_files_there_are(
    project: Project, index: LocalIndex, tmp_path: Path
) -> None:
    resolved(project, index)
    folder = tmp_path / "wheels"
    found = synced(project, folder)
    assert len(found) == 1
    assert found[0].startswith(f"{folder}/.")
    assert len(list((folder / "files").iterdir())) > 1
    assert not (folder / "wheelhouse.json.part").exists()


def test_files_that_power_loss_damaged_are_fetched_again(project: Project, index: LocalIndex, tmp_path: Path) -> None:
    """Names may be on the disk, and contents not. Only the plan was synced: wheelhouse.json is not there."""
    resolved(project, index)
    folder = tmp_path / "wheels"
    project.ok("fetch", str(folder))
    (folder / "wheelhouse.json").rename(folder / "wheelhouse.json.part")
    files = sorted((folder / "files").iterdir())
    whole = {path: path.read_bytes() for path in files}
    for path in files:
        path.write_bytes(b"")
    project.ok("fetch", str(folder))
    assert {path: path.read_bytes() for path in files} == whole
    assert sorted(path.name for path in folder.glob("wheelhouse*")) == ["wheelhouse.json"]


def test_a_plan_that_is_not_lockgens_is_not_replaced(project: Project, index: LocalIndex, tmp_path: Path) -> None:
    resolved(project, index)
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "wheelhouse.json.part").write_text("mine\n")
    ran = project.run("fetch", str(folder))
    assert ran.code == 2
    assert "this file is not lockgen's, and would be replaced" in ran.err
    assert (folder / "wheelhouse.json.part").read_text() == "mine\n"
