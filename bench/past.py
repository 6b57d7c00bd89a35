"""The reference family's past as Dockerfiles: as it was, and as optimised by hand; from bench/families/*.toml.

What cannot be had where it is measured is stood in for, and ``STAND_INS`` says by what: the report prints it.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parent / "families"
CUT_OFF = "2025-11-04T00:00:00Z"
PIP = "26.3"
PUBLIC = ("python:3.11-slim", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04")

STAND_INS = (
    f"pip {PIP} in the base images, as it knows a cut-off (`--uploaded-prior-to {CUT_OFF}`): what is unpinned is of then",
    "the two public base images: Debian's files under their names; their own layers are left out of every number",
    "torch of the CPU index (pyannote-vad 2.8.0, diarization 2.0.1, asr 2.2.1) and of the CUDA index (2.1.0+cu121): the "
    "default index's torch of the same version, a CUDA build",
    "whisperX from its git repository: the newest whisperx of the cut-off on the default index",
    "python3.11-distutils: python3-distutils; the PPA and the second Python of Ubuntu: neither is there on Debian",
    "spaCy's models (en_core_web_sm, en_core_web_trf): left out, and with the second a torch that it would have brought",
)
_DEBIAN = {"python3.11-distutils": "python3-distutils", "python3-pip": "python3-pip"}


@dataclass(frozen=True)
class Built:
    """One image: its Dockerfile, and the files of its context by path.

    ``below`` is an image of the family or a public one.
    """

    name: str
    tag: str
    below: str
    dockerfile: str
    files: Mapping[str, str]
    program: str | None

    @property
    def is_base(self) -> bool:
        return self.program is None


def family(name: str, registry: str, pins: Mapping[str, str] | None = None) -> list[Built]:
    """The images of family ``name`` ("before" or "by-hand"), those below first; ``pins`` replace a requirement by
    another.
    """
    facts = tomllib.loads((FACTS / f"{name}.toml").read_text())
    known = {image["name"]: _tag(image, facts) for image in facts["image"]}
    return [_image(image, facts, registry, known, pins or {}) for image in facts["image"]]


def public(reference: str) -> str:
    """The Dockerfile of a public base image with the pip that knows a cut-off."""
    python = (
        ""
        if reference.startswith("python:")
        else _apt(["python3.11", "python3-pip"])
        + ("RUN ln -sf /usr/bin/python3.11 /usr/local/bin/python; rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED\n")
    )
    return (
        f"FROM {reference}\n{python}RUN python3.11 -m pip install --no-cache-dir --upgrade pip=={PIP}\n"
        f"ENV PIP_UPLOADED_PRIOR_TO={CUT_OFF} PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1\n"
    )


def _tag(image: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    if "tag" in image:
        return str(image["tag"])
    below = next((other for other in facts["image"] if other["name"] == image["from"]), None)
    if below is not None:
        return _tag(below, facts)
    return "cuda" if "cuda" in image["from"] else "cpu"


def _image(
    image: Mapping[str, Any],
    facts: Mapping[str, Any],
    registry: str,
    known: Mapping[str, str],
    pins: Mapping[str, str],
) -> Built:
    name, below = image["name"], image["from"]
    reference = f"{registry}/{below}:{known[below]}" if below in known else f"bench/{below.replace('/', '-')}"
    program = _program(name, facts)
    files = {f"docker/{name}/{program}": f"print({name!r})\n"} if program else {}
    files |= {"scripts/run.py": "print('run')\n", "shared/tools.py": "ANSWER = 42\n"}
    lines = [f"FROM {reference}"]
    if "apt" in image:
        lines.append(_apt(image["apt"]).rstrip())
    lines += list(_past(image, files, pins) if "steps" in image else _by_hand(image, facts, pins))
    if program:
        lines += [f"COPY docker/{name}/{program} /app/", f'ENTRYPOINT ["python3.11", "/app/{program}"]']
    return Built(name, known[name], below, "\n".join(lines) + "\n", files, program)


def _program(name: str, facts: Mapping[str, Any]) -> str | None:
    """A stage's program; its owners' optimisation left their names as they were."""
    if name.startswith("base"):
        return None
    image: Mapping[str, Any] = next(image for image in facts["image"] if image["name"] == name)
    return str(image.get("entrypoint", f"{name.replace('-', '_')}.py"))


def _apt(packages: list[str]) -> str:
    named = " ".join(_DEBIAN.get(package, package) for package in packages)
    return (
        f"RUN apt-get update && apt-get install -y --no-install-recommends {named} && rm -rf /var/lib/apt/lists/* "
        "/usr/lib/python3.11/EXTERNALLY-MANAGED\n"
    )


def _past(image: Mapping[str, Any], files: dict[str, str], pins: Mapping[str, str]) -> Iterator[str]:
    """The steps in their order. Where a bound was not quoted the shell takes it for a redirection, as it did then."""
    for step in image["steps"]:
        if "pip" in step:
            wanted = [_stood_in(text, pins) for text in step["pip"] if text != "pip"]
            if wanted == ["-r requirements.txt"]:
                files["requirements.txt"] = "\n".join(image["requirements"]["lines"]) + "\n"
                wanted, quoted = ["-r", "requirements.txt"], True
            else:
                quoted = step.get("quoted", True)
            options = ["--no-cache-dir", *(["--upgrade"] if step.get("upgrade") else []), *step.get("options", [])]
            yield "RUN python3.11 -m pip install " + " ".join(
                [*options, *(map(shlex.quote, wanted) if quoted else wanted)]
            )
        elif step.get("run", "").startswith("create "):
            yield _create()
        elif "copy" in step and step["copy"].endswith("/"):
            yield f"COPY {step['copy']} /app/{step['copy']}"
        elif "copy" in step and step["copy"].endswith(".txt"):
            yield "COPY requirements.txt ."


def _by_hand(image: Mapping[str, Any], facts: Mapping[str, Any], pins: Mapping[str, str]) -> Iterator[str]:
    """The common file in both root bases; a requirement with its own index is a separate step."""
    if image["name"] in {"base", "base-cuda"}:
        yield _cached(facts["common"]["pip"], pins)
        yield _create()
    alone = [line.partition(" --index-url")[0].split() for line in image["pip"] if "--index-url" in line]
    rest = [line for line in image["pip"] if "--index-url" not in line]
    for wanted in [*alone, *([rest] if rest else [])]:
        yield _cached(wanted, pins)
    if not image["name"].startswith("base"):
        yield from ("COPY scripts/ /app/scripts/", "COPY shared/ /app/shared/")


def _cached(wanted: list[str], pins: Mapping[str, str]) -> str:
    names = " ".join(shlex.quote(_stood_in(text, pins)) for text in wanted)
    return f"RUN --mount=type=cache,target=/root/.cache/pip python3.11 -m pip install {names}"


def _create() -> str:
    return (
        "RUN mkdir -p /app/in /app/out /app/logs /app/temp /app/config /app/shared && useradd -m -u 1000 appuser\n"
        "ENV PYTHONPATH=/app:/app/shared\nWORKDIR /app"
    )


def _stood_in(text: str, pins: Mapping[str, str]) -> str:
    text = "whisperx" if text.startswith("git+") else text.replace("+cu121", "")
    return pins.get(text, text)
