"""What a bump moves besides pins: the cut-off; of a variant its accelerator's index, and its base image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from lockgen.app import App
from lockgen.core.accelerator import is_label, of_image
from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.manifest import Index, Manifest, Variant, accelerator_of
from lockgen.core.toml_positions import TomlPositions
from lockgen.errors import BadInput, ToolFailed
from lockgen.io.http import Http
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.editor import toml_time, with_cut_off, with_index
from lockgen.manifest.fingerprints import VERSIONS, Inputs
from lockgen.manifest.reader import close_match
from lockgen.registry import base_images as baseimages
from lockgen.registry.client import Registry
from lockgen.registry.tags import is_cuda, tag_for
from lockgen.upgrade.bump_model import PinMove


class WantedMoves(Protocol):
    """What the command line says of variants: see `lockgen.upgrade.bump.Options`."""

    @property
    def variants(self) -> tuple[str, ...]: ...
    @property
    def bases(self) -> tuple[str, ...]: ...
    @property
    def exclude_newer(self) -> str | None: ...
    @property
    def offline(self) -> bool: ...
    @property
    def live(self) -> bool: ...


@dataclass(frozen=True)
class VariantMove:
    """The family with other accelerators and base images, and what that changes in the file.

    ``text`` has the indexes that were added; ``moves`` are still to be made in it. ``only`` are the variants named
    without an accelerator, ``accelerators`` those with one.
    """

    manifest: Manifest
    text: str
    moves: tuple[PinMove, ...] = ()
    only: tuple[str, ...] = ()
    accelerators: Mapping[str, str] = field(default_factory=dict)


class VariantMoves:
    """Reads --variant, --base and --exclude-newer against one versions.toml."""

    def __init__(self, app: App, inputs: Inputs, wanted: WantedMoves) -> None:
        self._app, self._inputs, self._wanted = app, inputs, wanted
        self._manifest = inputs.manifest
        self._text = inputs.text
        self._moves: list[PinMove] = []

    def moved(self) -> VariantMove:
        """Every variant that is named, moved.

        Raises:
            BadInput: the variant does not exist, or the index or base image of its accelerator is unknown.
            ToolFailed: the registry of its base image cannot be queried.
        """
        if self._wanted.exclude_newer is not None:
            self._cut_off(self._wanted.exclude_newer)
        only: list[str] = []
        accelerators: dict[str, str] = {}
        bases: dict[str, str] = {}
        for name, image in map(self._image, self._wanted.bases):
            if name in bases:
                raise BadInput(f"the base image of {name} is named twice", hint="name it once")
            bases[name] = image
        for word in self._wanted.variants:
            name, label = self._variant(word)
            if label is None:
                only.append(name)
            else:
                accelerators[name] = label
        for name, label in accelerators.items():
            self._accelerator(name, label)
            self._base_for(name, label, bases)
        for name, image in bases.items():
            # Asked for after the accelerator has moved: the newest tag is then one for that.
            new = image or self._newest(name)
            if new != self._manifest.variants[name].from_image:
                self._move(name, "from", new)
        return VariantMove(self._manifest, self._text, tuple(self._moves), tuple(only), accelerators)

    def _variant(self, word: str) -> tuple[str, str | None]:
        """A variant and its new accelerator; an accelerator alone means the one variant that has another GPU's."""
        name, equals, label = word.partition("=")
        if equals and not is_label(label):
            raise BadInput(
                f"{label!r} is no accelerator", hint='"cpu", "cu124", "rocm6.2" or "xpu", as index URLs have it'
            )
        if not equals and name not in self._manifest.variants and is_label(name):
            variants = order_of_variants(self._manifest)
            others = [v for v in variants if accelerator_of(self._manifest, v) not in (None, "cpu")]
            if len(others) == 1:
                return others[0], name
            raise BadInput(
                f"which variant shall move to {name}?",
                hint=" or ".join(f"--variant {v}={name}" for v in others) or None,
            )
        return self._known(name), label if equals else None

    def _image(self, word: str) -> tuple[str, str]:
        """A variant and its base image; "" is the newest of the kind that it has."""
        name, equals, value = word.partition("=")
        if equals and not value:
            raise BadInput(f"--base {word!r} says no image", hint="--base VARIANT=IMAGE, or --base VARIANT: the newest")
        return self._known(name), value

    def _known(self, name: str) -> str:
        known = order_of_variants(self._manifest)
        if name not in known:
            raise BadInput(f"there is no variant {name!r} with images", hint=close_match(name, known))
        return name

    def _move(self, name: str, key: str, new: str) -> None:
        variant = self._manifest.variants[name]
        old = variant.from_image if key == "from" else str(variant.index)
        changed: Variant = replace(variant, from_image=new) if key == "from" else replace(variant, index=new)
        self._manifest = replace(self._manifest, variants={**self._manifest.variants, name: changed})
        self._moves.append(PinMove(name, old, new, ("variants", name, key), "base" if key == "from" else "index"))

    def _cut_off(self, text: str) -> None:
        try:
            when = datetime.fromisoformat(text)
            if when.tzinfo is None or not 1 < when.year < 9999:
                raise ValueError
        except ValueError:
            hint = "a date, a time and an offset, as in 2025-11-04T00:00:00Z"
            raise BadInput(f"--exclude-newer {text!r} is no time", hint=hint) from None
        old = self._manifest.exclude_newer
        self._text = with_cut_off(self._text, when, TomlPositions(self._text).find, VERSIONS)
        self._manifest = replace(self._manifest, exclude_newer=when)
        if old is not None and old != when:
            path = ("family", "exclude-newer")
            self._moves.append(PinMove("exclude-newer", toml_time(old), toml_time(when), path, "cut-off"))

    # -- the index -------------------------------------------------------------

    def _accelerator(self, name: str, label: str) -> None:
        variant = self._manifest.variants[name]
        if variant.index is None:
            return  # which of the default index's releases are built for it the pair table knows
        old = self._manifest.indexes[variant.index]
        if old.accelerator == label:
            return
        needed = old.packages & self._manifest.pins_of(name).keys()
        fitting = [i.name for i in self._manifest.indexes.values() if i.accelerator == label and needed <= i.packages]
        self._move(name, "index", fitting[0] if fitting else self._added(name, old, label).name)

    def _added(self, name: str, old: Index, label: str) -> Index:
        """A new index next to ``old``: the same address except for the last part."""
        if old.accelerator is None or label in self._manifest.indexes:
            raise BadInput(
                f"no index of versions.toml is for {label}, and the address of {old.name} does not say how it would be",
                place=self._inputs.place(("index", old.name)),
                hint=f"declare an index for {label}, with {', '.join(sorted(old.packages))}",
            )
        address = old.url.rstrip("/").rsplit("/", 1)[0]
        url = f"{address}/{label}{'/' if old.url.endswith('/') else ''}"
        recorded = old.recorded.replace(old.accelerator, label) if old.recorded else None
        there = recorded is not None and self._app.folder.read(f"{recorded}/index.json") is not None
        if old.recorded and not there and not self._wanted.live:
            raise BadInput(
                f"index {old.name} is recorded, and there is no record of one for {label}",
                place=self._inputs.place(("index", old.name)),
                hint=f"--live reads that index itself; or declare [index.{label}] and run lockgen index record {label}",
            )
        index = Index(label, url, old.packages, recorded if there else None)
        self._text = with_index(self._text, label, old.name, url, index.recorded, VERSIONS)
        self._manifest = replace(self._manifest, indexes={**self._manifest.indexes, label: index})
        self._moves.append(PinMove(label, None, url, ("index", label), "index"))
        if old.recorded and not there:
            self._app.progress.note(
                f"index {label} has no record: `recorded` and lockgen index record {label} make one"
            )
        return index

    # -- the base image --------------------------------------------------------

    def _base_for(self, name: str, label: str, bases: Mapping[str, str]) -> None:
        """A base image that names a CUDA names another then; the tag is one that its registry has."""
        reference = parse_reference(self._manifest.variants[name].from_image)
        cuda = of_image(str(reference))
        if bases.get(name) or cuda is None or cuda == label:
            return
        place = self._inputs.place(("variants", name, "from"))
        hint = f"name it: --base {name}=IMAGE"
        if not is_cuda(label):
            raise BadInput(f"{reference} is for {cuda}, and {label} needs another image", place=place, hint=hint)
        if self._wanted.offline:
            raise ToolFailed(f"--offline cannot know which tag of {reference.name} is for {label}", hint=hint)
        self._app.progress.step(f"looking for {reference.name} for {label}")
        tag = tag_for(reference, label, self._tags(self._app.http, reference, hint))
        if tag is None:
            raise BadInput(
                f"{reference.name} has no tag for {label} that is like {reference.tag}", place=place, hint=hint
            )
        new = ImageReference(reference.name, tag)
        if reference.digest is not None:
            new = replace(new, digest=baseimages.digest_of(self._app.http, new))
        self._move(name, "from", str(new))

    def _newest(self, name: str) -> str:
        """The newest image of the kind that a variant stands on; its digest too, where one is pinned."""
        text = self._manifest.variants[name].from_image
        reference = parse_reference(text)
        hint = f"name it: --base {name}=IMAGE"
        if self._wanted.offline:
            raise ToolFailed(f"--offline cannot know which image is the newest of {reference.name}", hint=hint)
        self._app.progress.step(f"looking for the newest {reference.name}")
        sharing = [v.name for v in self._manifest.variants.values() if v.from_image == text]
        found = baseimages.ask(self._app.http, reference, self._manifest, sharing)
        if found.tag is None:
            if found.missing:
                raise ToolFailed(f"which {reference.name} is the newest is not known: {found.missing[0]}", hint=hint)
            return str(replace(reference, digest=found.digest)) if reference.digest is not None else text
        new = ImageReference(reference.name, found.tag)
        return str(
            replace(new, digest=baseimages.digest_of(self._app.http, new)) if reference.digest is not None else new
        )

    @staticmethod
    def _tags(http: Http, reference: ImageReference, hint: str) -> Sequence[str]:
        try:
            return Registry(http, reference.name).tags()
        except (BadInput, ToolFailed) as error:
            raise ToolFailed.of([replace(fault, hint=hint) for fault in error.faults]) from error
