"""What an engine holds of images: layers, with the bytes of their files and of their blobs. Real numbers, no estimate.

`docker push` packs with one slow thread and `docker save` writes a second copy of 50 GB first. So layers are read
where the engine keeps them (overlay2, as root), each once, and packed by ISA-L's gzip (level 2), all families the same
way.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from isal import isal_zlib

_CHUNK = 4 * 1024 * 1024


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


class Store:
    """What the engine holds; a layer that several images share is read once, also where one of them is gone by then."""

    def __init__(self) -> None:
        self._root = Path(docker("info", "--format", "{{.DockerRootDir}}"))
        self._packed: dict[str, int] = {}

    def layers(self, reference: str) -> list[StoredLayer]:
        """The layers of an image from the bottom up."""
        image = json.loads(docker("image", "inspect", reference))[0]
        data = image["GraphDriver"]["Data"]
        folders = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))][::-1]
        names = image["RootFS"]["Layers"]
        sizes = _sizes(names, self._root)
        for name, folder in zip(names, folders, strict=True):
            if name not in self._packed:
                self._packed[name] = _packed(folder)
        texts = _texts(reference, sizes)
        return [StoredLayer(n, size, self._packed[n], by) for n, size, by in zip(names, sizes, texts, strict=True)]


def _sizes(names: Sequence[str], root: Path) -> list[int]:
    """The engine's own count of each layer's bytes, kept under its chain id (OCI image specification)."""
    found, chain = [], ""
    for name in names:
        chain = name if not chain else "sha256:" + hashlib.sha256(f"{chain} {name}".encode()).hexdigest()
        found.append(int((root / "image/overlay2/layerdb/sha256" / chain[7:] / "size").read_text()))
    return found


def _texts(reference: str, sizes: Sequence[int]) -> list[str]:
    """The instruction that made each layer. The history has more rows than the image has layers: the size shows
    which of them made none.
    """
    rows = map(
        json.loads, docker("history", "--human=false", "--no-trunc", "--format", "{{json .}}", reference).splitlines()
    )
    left = [(int(row["Size"]), str(row["CreatedBy"])) for row in rows][::-1]
    found = []
    for size in sizes:
        while left and left[0][0] == 0 != size:
            left.pop(0)
        found.append(left.pop(0)[1] if left and left[0][0] == size else "")
    return found


def _packed(folder: str) -> int:
    packer = isal_zlib.compressobj(2, wbits=31)
    total = 0
    with subprocess.Popen(["tar", "--numeric-owner", "-C", folder, "-cf", "-", "."], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(_CHUNK):
            total += len(packer.compress(chunk))
    assert process.returncode == 0, folder
    return total + len(packer.flush())


def manifest(reference: str) -> list[tuple[str, int]]:
    """Digest and bytes of each layer's blob in the registry, from the bottom up."""
    registry, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    answer = requests.get(f"http://{registry}/v2/{name}/manifests/{tag}", headers=accept, timeout=30)
    answer.raise_for_status()
    return [(layer["digest"], int(layer["size"])) for layer in answer.json()["layers"]]


def forget(prefix: str) -> None:
    """Removes the images under ``prefix``, then the engine's whole build cache, download caches included."""
    held = sorted(set(docker("images", "--quiet", f"{prefix}/*").split()))
    if held:
        docker("rmi", "-f", *held)
    docker("builder", "prune", "-af")
