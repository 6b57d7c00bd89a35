"""What an engine holds of images: layers, with the bytes of their files and of their blobs. Real commands, no estimate.

`docker push` packs with one slow thread: 50 GB would take hours. So layers are read once from `docker save` and packed
by ISA-L's gzip (level 2), all families the same way; `push` does it the engine's way, for comparison.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from isal import isal_zlib

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
_CHUNK = 4 * 1024 * 1024
_SMALL = 8 * 1024 * 1024


@dataclass(frozen=True)
class StoredLayer:
    """One layer: ``diff`` names its content. Bytes of its files, and packed."""

    diff: str
    unpacked: int
    packed: int
    created_by: str


def docker(*arguments: str, cwd: Path | None = None) -> str:
    """Raises AssertionError with the last lines of stderr where it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done.stdout.strip()


def diffs(reference: str) -> list[str]:
    found: list[str] = json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference))
    return found


def stored(references: Sequence[str]) -> dict[str, list[StoredLayer]]:
    """The layers of images from the bottom up; a layer that several share is read once."""
    small: dict[str, bytes] = {}
    packed: dict[str, int] = {}
    with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                opened = archive.extractfile(member) if member.isreg() else None
                if opened is None:
                    continue
                if member.size <= _SMALL:
                    small[member.name] = opened.read()
                    packed[member.name] = _packed(io.BytesIO(small[member.name]))
                else:
                    packed[member.name] = _packed(opened)
    assert process.returncode == 0, f"docker save {references}"
    found: dict[str, list[StoredLayer]] = {}
    for entry in json.loads(small["manifest.json"]):
        config = json.loads(small[entry["Config"]])
        rows = [packed[name] for name in entry["Layers"]]
        for tag in entry["RepoTags"]:
            found[tag] = _layers(tag, config, rows)
    return {reference: found[reference] for reference in references}


def _packed(stream: IO[bytes]) -> int:
    packer = isal_zlib.compressobj(2, wbits=31)
    return sum(len(packer.compress(chunk)) for chunk in _chunks(stream)) + len(packer.flush())


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _layers(reference: str, config: dict[str, Any], packed: list[int]) -> list[StoredLayer]:
    """The engine's history has bytes, the image's own says which entries are layers."""
    sizes = [int(row) for row in docker("history", "--human=false", "--format", "{{.Size}}", reference).split()][::-1]
    made = [
        (size, str(entry.get("created_by", "")))
        for size, entry in zip(sizes, config["history"], strict=True)
        if not entry.get("empty_layer")
    ]
    rows = zip(config["rootfs"]["diff_ids"], packed, made, strict=True)
    return [StoredLayer(diff, size, blob, by) for diff, blob, (size, by) in rows]


def push(reference: str) -> tuple[list[int], float]:
    """Pushes to the registry in the reference; the bytes of its blobs from the bottom up, and the seconds it took."""
    started = time.perf_counter()
    docker("push", "--quiet", reference)
    took = time.perf_counter() - started
    address, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    request = urllib.request.Request(f"http://{address}/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST})
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - a registry on loopback
        return [layer["size"] for layer in json.loads(answer.read())["layers"]], took


def forget(prefix: str) -> None:
    """Removes the images under ``prefix``, then the engine's whole build cache, download caches included."""
    held = docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{prefix}/*").split()
    if held:
        docker("rmi", "-f", *held)
    docker("builder", "prune", "-af")
