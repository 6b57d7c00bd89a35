"""Changes of a bump other than pins: the cut-off, and the index and base image of a variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from lockgen.app import App
from lockgen.core.accelerator import is_label, of_image
from lockgen.core.close_match import close_match
from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.manifest import Index, Manifest, Variant, accelerator_of
from lockgen.core.toml_positions import TomlPositions
from lockgen.errors import BadInput, ToolFailed
from lockgen.io.http import Http
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.editor import toml_time, with_cut_off, with_index
from lockgen.manifest.fingerprints import VERSIONS, Inputs
from lockgen.registry import base_images as baseimages
from lockgen.registry.client import Registry
from lockgen.registry.tags import is_cuda, tag_for
from lockgen.upgrade.bump_model import PinMove


class WantedMoves(Protocol):
    """The options of the command line about variants: see `lockgen.upgrade.bump.BumpOptions`."""

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
    """The family with its new accelerators and base images, and the changes in the file.

    ``text`` already contains new indexes and the new cut-off; the other ``moves`` are not made yet. ``only`` are the
    variants named without an accelerator, ``accelerators`` those named with one.
    """

    manifest: Manifest
    text: str
    moves: tuple[PinMove, ...] = ()
    only: tuple[str, ...] = ()
    accelerators: Mapping[str, str] = field(default_factory=dict)


class VariantMoves:
    """Applies --variant, --base and --exclude-newer to a versions.toml."""

    def __init__(self, app: App, inputs: Inputs, wanted: WantedMoves) -> None:
        self._app = app
        self._inputs = inputs
        self._wanted = wanted
        self._manifest = inputs.manifest
        self._text = inputs.text
        self._moves: list[PinMove] = []

    def moved(self) -> VariantMove:
        """The family with every named variant changed.

        Raises:
            BadInput: the variant does not exist, or the index or base image of its accelerator is unknown.
            ToolFailed: the registry of its base image cannot be queried.
        """
        if self._wanted.exclude_newer is not None:
            self._change_cut_off(self._wanted.exclude_newer)
        bases = self._named_bases()
        only: list[str] = []
        accelerators: dict[str, str] = {}
        for word in self._wanted.variants:
            name, label = self._variant(word)
            if label is None:
                only.append(name)
            else:
                accelerators[name] = label
        for name, label in accelerators.items():
            self._change_accelerator(name, label)
            if not bases.get(name):
                self._change_cuda_image(name, label)
        for name, image in bases.items():
            # After the accelerator: the latest tag has to match the new one.
            new = image or self._newest(name)
            if new != self._manifest.variants[name].from_image:
                self._change_base(name, new)
        return VariantMove(self._manifest, self._text, tuple(self._moves), tuple(only), accelerators)

    def _named_bases(self) -> dict[str, str]:
        """The base images of --base, by variant; "" is the latest tag of the current kind."""
        bases: dict[str, str] = {}
        for word in self._wanted.bases:
            variant, equals, image = word.partition("=")
            if equals and not image:
                raise BadInput(
                    f"--base {word!r} names no image",
                    hint="--base VARIANT=IMAGE, or --base VARIANT for the latest tag",
                )
            name = self._known(variant)
            if name in bases:
                raise BadInput(f"the base image of {name} is named twice", hint="name it once")
            bases[name] = image
        return bases

    def _variant(self, word: str) -> tuple[str, str | None]:
        """A variant and its new accelerator, if one is named.

        An accelerator alone stands for the only variant that is built for a GPU.
        """
        name, equals, label = word.partition("=")
        if equals and not is_label(label):
            raise BadInput(
                f"{label!r} is not an accelerator", hint='"cpu", "cu124", "rocm6.2" or "xpu", as in index URLs'
            )
        if equals:
            return self._known(name), label
        if name not in self._manifest.variants and is_label(name):
            return self._only_gpu_variant(name), name
        return self._known(name), None

    def _only_gpu_variant(self, label: str) -> str:
        accelerators = {
            variant: accelerator_of(self._manifest, variant) for variant in order_of_variants(self._manifest)
        }
        candidates = [variant for variant, found in accelerators.items() if found not in (None, "cpu")]
        if len(candidates) == 1:
            return candidates[0]
        choices = [f"--variant {variant}={label}" for variant in candidates]
        raise BadInput(f"which variant should change to {label}?", hint=" or ".join(choices) or None)

    def _known(self, name: str) -> str:
        known = order_of_variants(self._manifest)
        if name not in known:
            raise BadInput(f"no variant with images is named {name!r}", hint=close_match(name, known))
        return name

    def _change_base(self, name: str, new: str) -> None:
        variant = self._manifest.variants[name]
        self._replace_variant(name, replace(variant, from_image=new))
        self._moves.append(PinMove(name, variant.from_image, new, ("variants", name, "from"), "base"))

    def _change_index(self, name: str, new: str) -> None:
        variant = self._manifest.variants[name]
        self._replace_variant(name, replace(variant, index=new))
        self._moves.append(PinMove(name, str(variant.index), new, ("variants", name, "index"), "index"))

    def _replace_variant(self, name: str, variant: Variant) -> None:
        variants = {**self._manifest.variants, name: variant}
        self._manifest = replace(self._manifest, variants=variants)

    def _change_cut_off(self, text: str) -> None:
        # The text at once, the pins at the end: `rewritten` can only replace strings.
        when = _timestamp(text)
        old = self._manifest.exclude_newer
        find = TomlPositions(self._text).find
        self._text = with_cut_off(self._text, when, find, VERSIONS)
        self._manifest = replace(self._manifest, exclude_newer=when)
        if old is not None and old != when:
            path = ("family", "exclude-newer")
            self._moves.append(PinMove("exclude-newer", toml_time(old), toml_time(when), path, "cut-off"))

    # -- the index -------------------------------------------------------------

    def _change_accelerator(self, name: str, label: str) -> None:
        variant = self._manifest.variants[name]
        if variant.index is None:
            # For the default index, the pair table lists the releases that are built for the accelerator.
            return
        old = self._manifest.indexes[variant.index]
        if old.accelerator == label:
            return
        index = self._declared_index(name, old, label) or self._added_index(old, label)
        self._change_index(name, index.name)

    def _declared_index(self, name: str, old: Index, label: str) -> Index | None:
        """The first declared index for ``label`` with every package that the variant pins and takes from ``old``."""
        needed = old.packages & self._manifest.pins_of(name).keys()
        for index in self._manifest.indexes.values():
            if index.accelerator == label and needed <= index.packages:
                return index
        return None

    def _added_index(self, old: Index, label: str) -> Index:
        """A new index next to ``old``: the same URL except for the last part."""
        if old.accelerator is None or label in self._manifest.indexes:
            raise BadInput(
                f"no index of versions.toml is for {label}, and its URL cannot be derived from that of {old.name}",
                place=self._inputs.place(("index", old.name)),
                hint=f"declare an index for {label} with {', '.join(sorted(old.packages))}",
            )
        # Next to a recorded index a live one would make the lock depend on the day.
        recorded = self._record_for(old, label)
        if old.recorded and recorded is None and not self._wanted.live:
            raise BadInput(
                f"index {old.name} is recorded, but no index for {label} is",
                place=self._inputs.place(("index", old.name)),
                hint=f"--live reads the index itself; or declare [index.{label}] and run lockgen index record {label}",
            )
        # https://download.pytorch.org/whl/cu121 and .../whl/cu124 are neighbours.
        parent = old.url.rstrip("/").rsplit("/", 1)[0]
        slash = "/" if old.url.endswith("/") else ""
        index = Index(label, f"{parent}/{label}{slash}", old.packages, recorded)
        self._text = with_index(self._text, label, old.name, index.url, index.recorded, VERSIONS)
        self._manifest = replace(self._manifest, indexes={**self._manifest.indexes, label: index})
        self._moves.append(PinMove(label, None, index.url, ("index", label), "index"))
        if old.recorded and recorded is None:
            self._app.progress.note(
                f"index {label} is not recorded: set `recorded`, then run lockgen index record {label}"
            )
        return index

    def _record_for(self, old: Index, label: str) -> str | None:
        """The folder of a record for ``label`` next to that of ``old``, if it exists."""
        if not old.recorded or old.accelerator is None:
            return None
        folder = old.recorded.replace(old.accelerator, label)
        exists = self._app.folder.read(f"{folder}/index.json") is not None
        return folder if exists else None

    # -- the base image --------------------------------------------------------

    def _change_cuda_image(self, name: str, label: str) -> None:
        """Change the CUDA version of a base image that has one in its tag, to a tag that the registry has."""
        reference = parse_reference(self._manifest.variants[name].from_image)
        cuda = of_image(str(reference))
        if cuda is None or cuda == label:
            return
        place = self._inputs.place(("variants", name, "from"))
        hint = _base_hint(name)
        if not is_cuda(label):
            raise BadInput(f"{reference} is for {cuda}, but {label} needs another image", place=place, hint=hint)
        if self._wanted.offline:
            raise ToolFailed(f"--offline prevents looking for a tag of {reference.name} for {label}", hint=hint)
        self._app.progress.step(f"looking for {reference.name} for {label}")
        tag = tag_for(reference, label, self._tags(self._app.http, reference, hint))
        if tag is None:
            raise BadInput(
                f"{reference.name} has no tag for {label} similar to {reference.tag}", place=place, hint=hint
            )
        self._change_base(name, self._with_tag(reference, tag))

    def _newest(self, name: str) -> str:
        """The latest base image of the variant's current kind, with a digest if one is pinned."""
        text = self._manifest.variants[name].from_image
        reference = parse_reference(text)
        hint = _base_hint(name)
        if self._wanted.offline:
            raise ToolFailed(f"--offline prevents looking for the latest {reference.name}", hint=hint)
        self._app.progress.step(f"looking for the latest {reference.name}")
        # The tag has to suit every variant with this image: one for CUDA if any of them needs it.
        sharing = [variant.name for variant in self._manifest.variants.values() if variant.from_image == text]
        found = baseimages.ask(self._app.http, reference, self._manifest, sharing)
        if found.tag is not None:
            return self._with_tag(reference, found.tag)
        if found.missing:
            raise ToolFailed(f"the latest {reference.name} is unknown: {found.missing[0]}", hint=hint)
        # The tag may name another image by now: then the digest is what changes.
        if reference.digest is None:
            return text
        return str(replace(reference, digest=found.digest))

    def _with_tag(self, reference: ImageReference, tag: str) -> str:
        """The image with another tag, and the digest of that tag if ``reference`` has a digest."""
        new = ImageReference(reference.name, tag)
        if reference.digest is not None:
            new = replace(new, digest=baseimages.digest_of(self._app.http, new))
        return str(new)

    @staticmethod
    def _tags(http: Http, reference: ImageReference, hint: str) -> Sequence[str]:
        try:
            return Registry(http, reference.name).tags()
        except (BadInput, ToolFailed) as error:
            # The hint of the registry is about credentials; here naming the image is enough.
            raise ToolFailed.of([replace(fault, hint=hint) for fault in error.faults]) from error


def _base_hint(variant: str) -> str:
    return f"name the image: --base {variant}=IMAGE"


def _timestamp(text: str) -> datetime:
    """The time in ISO 8601; an offset is required, as a date alone means another time on each machine."""
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None or not 1 < when.year < 9999:
            raise ValueError
    except ValueError:
        hint = "a date, a time and an offset, as in 2025-11-04T00:00:00Z"
        raise BadInput(f"--exclude-newer {text!r} is not a valid timestamp", hint=hint) from None
    return when
