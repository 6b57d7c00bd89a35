"""`nox -s bench-images`: the reference family as it was, optimised by hand, and lockgen's, built and weighed for real.

It needs an engine for itself (it empties its build cache), a registry on localhost:5000, some 70 GB of disk and an
hour. One family after the other is built, weighed layer by layer, and dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measuring import machine
from past import FACTS, PUBLIC, Built, family, public
from store import Store, StoredLayer, diffs, docker, forget, manifest

from lockgen.images.buildkit_progress import ProgressReader

ROOT = Path(__file__).parent.parent
RESULTS = FACTS / "results.json"
REGISTRY = "localhost:5000/lockgen-bench"
STAGE = "asr"
PIN = {"sacremoses": "sacremoses==0.1.0"}
# What a network that has a bad moment says: such a build is begun again, from the state before it.
FLAKES = ("Temporary failure in name resolution", "Read timed out", "Connection reset", "error sending request")


@dataclass
class Work:
    """One build: wall seconds, and how many steps ran that install packages."""

    seconds: float
    installs: int


@dataclass
class Weighed:
    """A family as it was built. ``layers`` of each image leave out those of the public image at its bottom."""

    images: dict[str, list[StoredLayer]] = field(default_factory=dict)
    cold: float = 0.0
    load: list[float] = field(default_factory=list)
    code: Work | None = None
    pin: Work | None = None
    more: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def build(image: Built, tag: str, folder: Path, *, cold: bool) -> Work:
    """`docker build` of one earlier image, in a separate context."""
    context = folder / image.name
    for path, text in {**image.files, "Dockerfile": image.dockerfile}.items():
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text(text)
    command = ["docker", "buildx", "build", "--progress=rawjson", "--tag", tag, *(["--no-cache"] if cold else []), "."]
    for tries in range(3):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=context, capture_output=True, text=True)
        took = time.perf_counter() - started
        if done.returncode == 0 or not any(flake in done.stderr for flake in FLAKES):
            break
        say(f"{image.name}: the network failed, try {tries + 2}")
    assert done.returncode == 0, f"{image.name}: {done.stdout[-500:]} {done.stderr[-3000:]}"
    reader = ProgressReader({})
    for line in done.stderr.splitlines(keepends=True):
        reader.feed(line)
    ran = [step for step in reader.steps() if not step.cached and "pip install" in step.text]
    return Work(took, len(ran))


def weigh(found: Weighed, store: Store, name: str, reference: str, bottom: int) -> None:
    """The layers of an image above the ``bottom`` ones, which are those of its public base."""
    started = time.perf_counter()
    found.images[name] = own = store.layers(reference)[bottom:]
    unpacked, packed = sum(layer.unpacked for layer in own), sum(layer.packed for layer in own)
    took = time.perf_counter() - started
    say(f"{name}: {unpacked / 1e9:.2f} GB, packed {packed / 1e9:.2f}, weighed in {took:.0f} s")


def push(found: Weighed, references: Mapping[str, str], bottoms: Mapping[str, int]) -> None:
    """Pushes each image; ``more["registry"]`` becomes the bytes of the family's blobs, those of public layers left out.

    Left out where the disk has no place for a second copy of the layers.
    """
    layers = {layer.diff: layer for held in found.images.values() for layer in held}
    needed = sum(layer.packed for layer in layers.values())
    free = shutil.disk_usage(docker("info", "--format", "{{.DockerRootDir}}")).free
    if free < 1.3 * needed:
        say(f"not pushed: {needed / 1e9:.0f} GB wanted, {free / 1e9:.0f} GB free")
        return
    started = time.perf_counter()
    blobs: dict[str, int] = {}
    for name, reference in references.items():
        docker("push", "--quiet", reference)
        blobs |= dict(manifest(reference)[bottoms[name] :])
    found.more["registry"] = {"bytes": sum(blobs.values()), "seconds": time.perf_counter() - started}
    say(f"pushed: {sum(blobs.values()) / 1e9:.2f} GB")


def past(name: str, folder: Path) -> Weighed:
    """Family ``name`` of the past, image by image as its owners' script built it.

    As it was it has no download caches, and 60 GB of layers: each stage is dropped once it is weighed.
    """
    found, store, drops = Weighed(), Store(), name == "before"
    prefix = f"{REGISTRY}/{name}"
    below: dict[str, int] = {}
    for reference in PUBLIC:
        own = f"bench/{reference.replace('/', '-')}"
        (folder / "Dockerfile").write_text(public(reference))
        docker("build", "--quiet", "--tag", own, str(folder))
        below[reference] = len(diffs(own))
    references: dict[str, str] = {}
    bottoms: dict[str, int] = {}
    for image in family(name, prefix):
        tag = f"{prefix}/{image.name}:{image.tag}"
        work = build(image, tag, folder, cold=True)
        found.cold += work.seconds
        found.load.append(os.getloadavg()[0])
        below[image.name] = bottoms[f"{image.name}:{image.tag}"] = below[image.below]
        references[f"{image.name}:{image.tag}"] = tag
        say(f"{name}: {image.name} built in {work.seconds:.0f} s")
        if image.name == STAGE:
            found.code, found.pin = _again(name, prefix, tag, folder, found)
        weigh(found, store, f"{image.name}:{image.tag}", tag, below[image.name])
        if drops and not image.is_base:
            docker("rmi", "-f", tag)
            docker("builder", "prune", "-af")
    if not drops:
        push(found, references, bottoms)
    return found


def _again(name: str, prefix: str, tag: str, folder: Path, found: Weighed) -> tuple[Work, Work]:
    """The stage after a change of its program, then after a change of one requirement; and what `inspect` says of
    it.
    """
    if name == "by-hand":
        done = _lockgen(ROOT, "inspect", "--json", tag, ok=False)
        wasted = json.loads(done.stdout)["wasted"]
        found.more["wasted"] = {"bytes": sum(w["bytes"] for w in wasted), "packages": len(wasted)}
        found.more["torch"] = next(w for w in wasted if w["package"] == "torch")
    changed = next(image for image in family(name, prefix) if image.name == STAGE)
    files = {p: t + "print('better')\n" if p.startswith("docker/") else t for p, t in changed.files.items()}
    better = Built(**{**_fields(changed), "files": files})
    code = build(better, f"{tag}-code", folder, cold=False)
    pinned = next(image for image in family(name, prefix, PIN) if image.name == STAGE)
    pin = build(Built(**{**_fields(pinned), "files": files}), f"{tag}-pin", folder, cold=False)
    docker("rmi", "-f", f"{tag}-code", f"{tag}-pin")
    say(f"{name}: code {code.seconds:.1f} s, pin {pin.seconds:.1f} s")
    return code, pin


def _fields(image: Built) -> dict[str, Any]:
    return {name: getattr(image, name) for name in ("name", "tag", "below", "dockerfile", "files", "program")}


def _lockgen(root: Path, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CI": "1"}
    command = [sys.executable, "-m", "lockgen", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 or not ok, f"lockgen {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@example.org", *arguments], cwd=root, check=True)


def ours(folder: Path) -> Weighed:
    """lockgen's family: resolved, built by bake, verified."""
    found = Weighed()
    root = folder / "family"
    for name in ("shared", "scripts"):
        (root / name).mkdir(parents=True)
        (root / name / "tools.py").write_text("ANSWER = 42\n")
    shutil.copy(FACTS / "versions.toml", root)
    started = time.perf_counter()
    _lockgen(root, "resolve")
    found.more["resolve"] = time.perf_counter() - started
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "the family")
    sizes = json.loads(_lockgen(root, "size", "--json").stdout)
    layered = next(layout for layout in sizes["layouts"] if layout["layout"] == "layered")
    for name, held in (("limit", sizes["limit"]), ("layered", layered["unique"])):
        found.more[name] = {key: held[key] for key in ("download", "installed")}
    to = ("--registry", f"{REGISTRY}/ours")
    found.cold, _ = _built(root, *to, "--no-cache")
    found.load.append(os.getloadavg()[0])
    say(f"ours: built in {found.cold:.0f} s")
    _verify(root, to, found)
    references, bottoms = {}, {}
    for image in layered["images"]:
        name, variant = image["image"].split(":")
        references[image["image"]] = f"{REGISTRY}/ours/cp-whisperx-app-{name}:{variant}"
        bottoms[image["image"]] = len(diffs(PUBLIC[variant == "cuda"]))
        found.more.setdefault("forecast", {})[image["image"]] = [layer["installed"] for layer in image["layers"]]
    store = Store()
    for tag, reference in references.items():
        weigh(found, store, tag, reference, bottoms[tag])
    push(found, references, bottoms)
    program = root / "docker" / STAGE / "whisperx_asr.py"
    program.write_text(program.read_text() + "# better\n")
    found.code = Work(*_built(root, *to, "--affected", "HEAD"))
    _git(root, "commit", "-qam", "better")
    versions = root / "versions.toml"
    versions.write_text(versions.read_text().replace("[pins]", '[pins]\nsacremoses = "0.1.0"', 1))
    started = time.perf_counter()
    _lockgen(root, "resolve")
    found.more["resolve-pin"] = time.perf_counter() - started
    found.pin = Work(*_built(root, *to, "--affected", "HEAD"))
    return found


def _built(root: Path, *arguments: str) -> tuple[float, int]:
    started = time.perf_counter()
    done = json.loads(_lockgen(root, "build", "--json", *arguments).stdout)
    return time.perf_counter() - started, sum(row["installed"] for row in done["images"])


def _verify(root: Path, to: tuple[str, str], found: Weighed) -> None:
    started = time.perf_counter()
    done = _lockgen(root, "verify", "--json", *to, ok=False)
    verdicts = json.loads(done.stdout)["images"]
    found.more["verify"] = {
        "seconds": time.perf_counter() - started,
        "faults": {row["image"]: row["faults"] for row in verdicts if row["faults"]},
        "images": len(verdicts),
    }


def measure(name: str) -> Weighed:
    """Family ``name`` from an empty build cache; its images stay until the next one is measured."""
    forget(f"{REGISTRY}/*")
    with tempfile.TemporaryDirectory(prefix="lockgen-bench-") as folder:
        return ours(Path(folder)) if name == "ours" else past(name, Path(folder))


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="before, by-hand, ours; all by default")
    parser.add_argument("--report", action="store_true", help="only write the report of what was measured")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [] if arguments.report else arguments.families or ["by-hand", "ours", "before"]:
        say(f"{name} begins")
        found = measure(name)
        results[name] = {**asdict(found), "on": f"{time.strftime('%Y-%m-%d')}, commit {commit()}", "machine": machine()}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    from weights import report

    (ROOT / "bench" / "IMAGES.md").write_text(report(results))


if __name__ == "__main__":
    main()
