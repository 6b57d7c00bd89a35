"""bench/IMAGES.md from what `nox -s bench-images` measured: data in, Markdown out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from statistics import mean
from typing import Any

from past import STAND_INS

TITLES = {"before": "as it was", "by-hand": "optimised by hand", "ours": "lockgen's"}
_CPU_TORCH = re.compile(r"torch==(2\.8\.0|2\.0\.1|2\.2\.1) torchaudio")
_INSTALLS = "uv pip install"

HEAD = """\
# Images, measured

Written by `nox -s bench-images`, which builds the reference family three times with packages of full size. A family that has
no column below has not been measured.

* *As it was*: its Dockerfiles of 3 November 2025 (`families/before.toml`), unpinned packages as of the next day.
* *Optimised by hand*: what its owners made of that (`families/by-hand.toml`).
* *lockgen's*: `families/versions.toml`, torch 2.3.1, which on the default index is a CUDA 12.1 build.

Bytes are those of the files in each layer, by the engine's own count; those of the layer packed with gzip (ISA-L, level 2);
and where the disk had a place for it those of the blobs after a `docker push` to a registry. A layer counts once, however many
images have it; those of the public base images are left out. Times are wall clock on a machine that did other work meanwhile (its
mean load stands in the table): for orders of magnitude. A cold build begins with an empty build cache, download caches
included; a rebuild with what that build left.
"""


def report(results: Mapping[str, Any]) -> str:
    """The whole document. Families that were not measured are left out."""
    names = [name for name in TITLES if name in results]
    parts = [HEAD, _table(_summary(results, names)), _sentences(results), _stand_ins()]
    parts += ["## Each image", _images(results, names)]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def unique(family: Mapping[str, Any], key: str, *, without_cpu_torch: bool = False) -> int:
    """Bytes (``unpacked`` or ``packed``) of the family's layers, each once."""
    layers = {layer["diff"]: layer for held in family["images"].values() for layer in held}
    return sum(
        layer[key] for layer in layers.values() if not (without_cpu_torch and _CPU_TORCH.search(layer["created_by"]))
    )


def _summary(results: Mapping[str, Any], names: list[str]) -> list[list[str]]:
    held = [results[name] for name in names]
    return [
        ["", *(TITLES[name] for name in names)],
        ["images", *(str(len(f["images"])) for f in held)],
        ["unique bytes of layers on disk", *(_gb(unique(f, "unpacked")) for f in held)],
        ["the same, packed", *(_gb(unique(f, "packed")) for f in held)],
        ["unique bytes of blobs in the registry", *(_pushed(f["more"].get("registry")) for f in held)],
        ["all images, each by itself, on disk", *(_gb(sum(map(_whole, f["images"].values()))) for f in held)],
        ["the largest image", *(_gb(max(map(_whole, f["images"].values()))) for f in held)],
        ["cold build, downloads included", *(f"{f['cold']:.0f} s" for f in held)],
        ["asr's program changed: rebuild", *(_work(f["code"]) for f in held)],
        ["one pin of asr changed (sacremoses): rebuild", *(_work(f["pin"]) for f in held)],
        [
            "mean load of the machine (2 cores)",
            *(f"{mean(f['load']):.1f}" if f["load"] else "not recorded" for f in held),
        ],
        ["measured", *(f["on"] for f in held)],
    ]


def _pushed(registry: Mapping[str, Any] | None) -> str:
    return "not pushed" if registry is None else f"{_gb(registry['bytes'])}, pushed in {registry['seconds']:.0f} s"


def _work(work: Mapping[str, Any] | None) -> str:
    if work is None:
        return "not measured"
    return f"{work['seconds']:.1f} s, {work['installs']} install steps"


def _whole(layers: Iterable[Mapping[str, Any]]) -> int:
    return sum(layer["unpacked"] for layer in layers)


def _sentences(results: Mapping[str, Any]) -> str:
    lines = []
    if "before" in results:
        least = [_gb(unique(results["before"], key, without_cpu_torch=True)) for key in ("unpacked", "packed")]
        lines.append(
            "* Three stages of the past took torch from the CPU index; here they got a CUDA build of the same version. "
            f"Count those layers as nothing, and the past is still {least[0]} on disk, {least[1]} packed. In two of the "
            "three (asr, diarization) an unpinned whisperx then replaced that torch by a CUDA build of the default index, "
            "in the past as here."
        )
    if "by-hand" in results and "torch" in results["by-hand"]["more"]:
        lines.append(_inspected(results["by-hand"]["more"]))
    if "ours" in results:
        lines += _ours(results["ours"])
    if {"ours", "by-hand"} <= results.keys():
        disk, packed = (
            unique(results["ours"], key) / unique(results["by-hand"], key) for key in ("unpacked", "packed")
        )
        lines.append(f"* lockgen's of the hand-made family: {disk:.2f} of the bytes on disk, {packed:.2f} packed.")
    if results:
        lines.append(f"* Machine: {results[next(iter(results))]['machine']}.")
    return "\n".join(lines)


def _inspected(more: Mapping[str, Any]) -> str:
    torch, wasted = more["torch"], more["wasted"]
    return (
        f"* `lockgen inspect` of the hand-made asr: torch {torch['version']} of layer {torch['layer']} is {torch['kind']} by "
        f"{torch['now']} in layer {torch['by']}; {_gb(wasted['bytes'])} of {wasted['packages']} packages lie there for nothing."
    )


def _ours(family: Mapping[str, Any]) -> list[str]:
    more = family["more"]
    layers = [layer for held in family["images"].values() for layer in held if _INSTALLS in layer["created_by"]]
    python = {layer["diff"]: layer for layer in layers}
    on_disk = sum(layer["unpacked"] for layer in python.values())
    limit, layered = more["limit"], more["layered"]
    return [
        f"* The limit is every package once: {_gb(limit['download'])} of wheels, {_gb(limit['installed'])} installed. "
        f"lockgen's layers install {_gb(layered['download'])} of wheels, {layered['download'] / limit['download']:.2f} x of "
        f"it, and hold {_gb(on_disk)}, {on_disk / limit['installed']:.2f} x. What is there twice: what base:cpu and base:cuda "
        "both hold, on other files below, and what asr and diarization, or pre-ner and post-ner, share with no base of "
        "theirs. What is not Python is system packages.",
        f"* `lockgen size` had said before what each of {len(python)} Python layers would weigh: the engine's own number "
        f"differs by at most {_deviation(family):.3f} %.",
        *_verified(more.get("verify")),
        *([f"* The cold build's time is of {family['cold-from']}."] if "cold-from" in family else []),
    ]


def _verified(verify: Mapping[str, Any] | None) -> list[str]:
    if verify is None:
        return []
    faults = verify["faults"]
    verdict = "nothing wrong" if not faults else f"faults in {', '.join(faults)}"
    return [f"* `lockgen verify` of {verify['images']} images: {verdict}, in {verify['seconds']:.0f} s."]


def _deviation(family: Mapping[str, Any]) -> float:
    """The largest difference of a forecast layer and the real one, in percent."""
    worst = 0.0
    for image, forecast in family["more"]["forecast"].items():
        real = [layer["unpacked"] for layer in family["images"][image] if _INSTALLS in layer["created_by"]]
        for expected, found in zip(reversed(forecast), reversed(real), strict=False):
            worst = max(worst, 100 * abs(expected - found) / found)
    return worst


def _stand_ins() -> str:
    return "What stands in for what cannot be had from every network:\n\n" + "\n".join(
        f"* {text}" for text in STAND_INS
    )


def _images(results: Mapping[str, Any], names: list[str]) -> str:
    """Bytes on disk above the public base image, with the family's own bases."""
    every = list(dict.fromkeys(tag.partition(":")[0] for name in names for tag in results[name]["images"]))
    rows = [["image", *(TITLES[name] for name in names)]]
    for image in every:
        held = [[t for t in results[name]["images"] if t.partition(":")[0] == image] for name in names]
        sizes = [
            " / ".join(_gb(_whole(results[name]["images"][tag])) for tag in tags) or "-"
            for name, tags in zip(names, held, strict=True)
        ]
        rows.append([image, *sizes])
    return _table(rows)


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _table(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])
