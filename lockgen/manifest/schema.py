"""versions.toml, format 1, as one model: it reads the file and it makes the JSON schema.

Only the shape is described here. What needs more than one value (references, cycles, names given twice) is checked by
``reader.py``.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

SCHEMA_PATH = "lockgen/manifest/versions.schema.json"

# Patterns avoid look-around: they are published in the JSON schema, and pydantic's regex engine has none.
_IMAGE = r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$"
_VARIANT = r"^[a-z0-9][a-z0-9_.-]*$"
_INDEX = r"^[a-z0-9][a-z0-9_-]*$"
_REGISTRY = r"^[a-z0-9]+([._-][a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
_REFERENCE = (
    r"^[A-Za-z0-9]+([._-]+[A-Za-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$"
)
_PYTHON = r"^3\.([89]|1[0-9])$"
# With a patch release or without one.
_PYTHON_RELEASE = r"^3\.([89]|1[0-9])(\.(0|[1-9][0-9]?))?$"
_GLIBC = r"^2\.[0-9]{1,2}$"
# Printable ASCII without spaces, quotes, `\\`, `$`, `<` and `>`. Not file://: an image build cannot read a folder of
# this machine.
_URL = r"^https?://[!#%&()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]+$"
_FOLDER = r"^[A-Za-z0-9_.][A-Za-z0-9_./+-]*$"
_APT = r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$"
_ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_ENV_VALUE = r"^[A-Za-z0-9 _./:=,@%+~-]*$"
_PROGRAM = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
_PPA = r"^[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*$"
_USER = r"^[a-z_][a-z0-9_-]*$"
_MODULE = r"^[A-Za-z_][A-Za-z0-9_.]*( [A-Za-z0-9_./:=@+,-]+)*$"
_GROUP = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
_PATTERN = r"^[A-Za-z0-9*?][A-Za-z0-9._*?-]*$"
_IMAGE_PATTERN = r"^[A-Za-z0-9*?][A-Za-z0-9._*?:/-]*$"
_BRANCH = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$"
_PREFIX = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*[/-]$"
_LABEL = r"^[^\s,]([^,\n\r\t]*[^\s,])?$"
_ADVISORY = r"^[A-Z][A-Za-z0-9]*-[A-Za-z0-9][A-Za-z0-9._:-]*$"
_SIZE = r"^[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|KiB|MiB|GiB)$"

MEANING = {
    _IMAGE: ("an image name", "lower-case letters and digits, joined by single `.`, `_` or `-`"),
    _VARIANT: ("a variant name", "lower-case letters, digits, `.`, `_` and `-`: it becomes an image tag"),
    _INDEX: ("an index name", "lower-case letters, digits, `_` and `-`"),
    _REGISTRY: ("a registry", 'HOST/PATH without a scheme, as in "registry.example/team"'),
    _REFERENCE: ("an image reference", 'NAME:TAG or NAME:TAG@sha256:DIGEST, as in "python:3.11-slim"'),
    _PYTHON_RELEASE: (
        "a Python version",
        '"3.8" or later, with or without the patch release, as in "3.11" or "3.11.9"',
    ),
    _PYTHON: ("a Python version", 'two numbers, "3.8" or later, as in "3.11"'),
    _GLIBC: ("a glibc version", 'two numbers, as in "2.35"'),
    _URL: (
        "an index URL",
        "it begins with https://, and has no spaces, quotes, shell or control characters; serve a folder over HTTP",
    ),
    _FOLDER: ("a path inside the project", "letters, digits and `._/+-`, relative to versions.toml"),
    _APT: ("a Debian package", 'NAME or NAME=VERSION, as in "libsndfile1"'),
    _ENV_NAME: ("the name of an environment variable", "letters, digits and `_`"),
    _ENV_VALUE: (
        "a plain value",
        "letters, digits, spaces and `_./:=,@%+~-`; nothing a shell or Docker expands",
    ),
    _PROGRAM: ("a file name", "letters, digits and `._-`: a program next to the image's Dockerfile"),
    _PPA: ("a PPA", 'OWNER/NAME, as in "deadsnakes/ppa"'),
    _USER: ("a user name", "lower-case letters, digits, `_` and `-`"),
    _MODULE: ("a module with arguments", 'the arguments of `python -m`, as in "spacy download en_core_web_sm"'),
    _GROUP: ("a group name", "lower-case letters and digits, joined by single `.`, `_` or `-`: it becomes a branch"),
    _PATTERN: ("a pattern of package names", 'a name, where `*` stands for any letters and `?` for one: "pyannote.*"'),
    _IMAGE_PATTERN: (
        "a pattern of base images",
        'a name without its tag, where `*` stands for any letters: "nvidia/*"',
    ),
    _BRANCH: ("a branch", 'letters, digits and `._-`, in parts with `/` between them, as in "main"'),
    _PREFIX: ("a prefix of branches", 'a branch with `/` or `-` at its end, as in "lockgen/"'),
    _LABEL: ("a label", "words without a comma, and no space around them"),
    _ADVISORY: ("the name of an advisory", 'as in "CVE-2025-32434", "GHSA-53q9-r3pm-6pq6" or "PYSEC-2024-1"'),
    _SIZE: ("a size", 'a number and its unit, as in "8 GB" or "500 MiB"'),
}


ImageName = Annotated[str, StringConstraints(pattern=_IMAGE, max_length=100)]
VariantName = Annotated[str, StringConstraints(pattern=_VARIANT, max_length=60)]
IndexName = Annotated[str, StringConstraints(pattern=_INDEX, max_length=60)]
ImageReferenceText = Annotated[str, StringConstraints(pattern=_REFERENCE, max_length=400)]
FolderName = Annotated[str, StringConstraints(pattern=_FOLDER, max_length=200)]
AptPackage = Annotated[str, StringConstraints(pattern=_APT, max_length=120)]
EnvName = Annotated[str, StringConstraints(pattern=_ENV_NAME)]
EnvValue = Annotated[str, StringConstraints(pattern=_ENV_VALUE)]
PythonVersion = Annotated[str, StringConstraints(pattern=_PYTHON)]
PythonRelease = Annotated[str, StringConstraints(pattern=_PYTHON_RELEASE)]
Size = Annotated[str, StringConstraints(pattern=_SIZE, max_length=40)]
AdvisoryId = Annotated[str, StringConstraints(pattern=_ADVISORY, max_length=100)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Module = Annotated[str, StringConstraints(pattern=_MODULE, max_length=300)]
GroupName = Annotated[str, StringConstraints(pattern=_GROUP, max_length=60)]
ImagePattern = Annotated[str, StringConstraints(pattern=_IMAGE_PATTERN, max_length=200)]
NamePattern = Annotated[str, StringConstraints(pattern=_PATTERN, max_length=200)]
Label = Annotated[str, StringConstraints(pattern=_LABEL, max_length=50)]
UpdateStep = Literal["patch", "minor", "major"]
Days = Annotated[int, Field(ge=0, le=3650)]
RequirementText = Annotated[
    str, Field(max_length=500, description='A PEP 508 requirement: "numpy", "numpy>=1.26", "fastapi[standard]"')
]


def _pin_shape(value: object) -> str:
    # Any other table comes from a name with dots that was not quoted, and is reported as such.
    return "=table" if isinstance(value, dict) and value.keys() & {"version", "held"} else "=text"


def _axis_shape(value: object) -> str:
    return "=text" if isinstance(value, str) else "=list"


class StrictTable(BaseModel):
    """A table of the file: unknown keys and loose types are errors."""

    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=lambda name: name.rstrip("_").replace("_", "-"),
    )


class PinEntry(StrictTable):
    """A pin with options."""

    version: str = Field(description='An exact version, as in "2.5.1+cu121"')
    held: bool = Field(False, description="No command changes this pin by itself, and none proposes another version")


PinValue = Annotated[
    Annotated[str, Field(description='An exact version, as in "2.5.1+cu121"'), Tag("=text")]
    | Annotated[PinEntry, Tag("=table")],
    Discriminator(_pin_shape),
]
PinTable = dict[str, PinValue]


class FamilyTable(StrictTable):
    """Settings of the whole family."""

    name: ImageName = Field(description="Images are {registry}/{name}-{image}:{variant}")
    registry: Annotated[str, StringConstraints(pattern=_REGISTRY)] | None = Field(
        None, description="The registry to push images to"
    )
    python: PythonRelease = Field(
        description='The images\' Python, as in "3.11", or "3.11.9" if all base images have that patch release'
    )
    platform: Literal["linux/amd64", "linux/arm64"] = Field("linux/amd64", description="The platform of the images")
    glibc: Annotated[str, StringConstraints(pattern=_GLIBC)] = Field(
        "2.28",
        description="The oldest glibc of the base images; wheels that need a newer one are not used",
    )
    exclude_newer: datetime | None = Field(
        None, description="Ignore releases published later: a date, a time and an offset"
    )
    build: list[str] = Field(
        [],
        description="Packages to build from source; all others need a wheel",
    )
    user: Annotated[str, StringConstraints(pattern=_USER, max_length=32)] = Field(
        "appuser", description="The unprivileged user that every image runs as"
    )
    uid: int = Field(1000, description="The user ID of that user", ge=1, le=60000)


class IndexTable(StrictTable):
    """An index in addition to the default one."""

    url: Annotated[str, StringConstraints(pattern=_URL)] = Field(description="The URL of the index (PEP 503)")
    packages: list[str] = Field(description="Packages that come only from this index", min_length=1)
    recorded: FolderName | None = Field(
        None,
        description="The folder of the record, used instead of the network unless --live is given",
    )


class VariantTable(StrictTable):
    """A flavour of images with its own index, base image and pins."""

    from_: ImageReferenceText = Field(description="The base image of this variant")
    index: str | None = Field(None, description="The index for the packages that it lists")
    pins: PinTable = Field({}, description="Pins of this variant; they override [pins]")
    ppa: Annotated[str, StringConstraints(pattern=_PPA, max_length=100)] | None = Field(
        None, description="The PPA with Python, for an Ubuntu base without the family's Python"
    )


class CommonTable(StrictTable):
    """Packages that every root base installs first, from docker/requirements-common.txt."""

    packages: list[RequirementText] = Field([], description="Requirements; pins decide their versions")


class BudgetsTable(StrictTable):
    """Size limits of images, in installed bytes of Python packages. `lockgen check` fails if they are exceeded."""

    max_image: Size | None = Field(None, description="The limit for all layers of an image")
    max_layer: Size | None = Field(None, description="The limit for one layer")


class BaseTable(StrictTable):
    """A base: an image that others build on."""

    from_: str | None = Field(None, description="The base to build on; default: the base image of the variant")
    variants: list[str] | None = Field(None, description="Variants to build; default: those of its base")
    packages: list[RequirementText] = Field([], description="Requirements; pins decide their versions")
    apt: list[AptPackage] = Field([], description="System packages of the image")
    build_apt: list[AptPackage] = Field([], description="System packages of its build stage only")
    copy_: list[FolderName] = Field([], description="Folders of shared code to copy")
    env: dict[EnvName, EnvValue] = Field({}, description="Environment variables")
    folders: list[FolderName] = Field([], description="Folders in /app that the user may write to")
    preload: list[Module] = Field(
        [], description="Arguments of `python -m` that fetch models during the build; not locked or hashed"
    )
    max_image: Size | None = Field(None, description="The limit for this image; overrides [budgets]")
    max_layer: Size | None = Field(None, description="The limit for the layers of this image; overrides [budgets]")


class StageTable(BaseTable):
    """A stage: an image that no other image builds on."""

    from_: str = Field(description="The base to build on")
    entrypoint: Annotated[str, StringConstraints(pattern=_PROGRAM)] | None = Field(
        None, description="The stage's program, next to its Dockerfile"
    )


class PairEntry(StrictTable):
    """The packages that match one torch release."""

    torchaudio: str | None = Field(None, description="The matching torchaudio")
    torchvision: str | None = Field(None, description="The matching torchvision")
    accelerator: str | None = Field(None, description='Accelerator of the build on the default index, such as "cu121"')
    python: list[PythonVersion] | None = Field(None, description="Python versions with wheels")


AxisValue = Annotated[
    Annotated[str, Field(description="A version specifier; all matching versions of the index are tried"), Tag("=text")]
    | Annotated[list[str], Field(min_length=1), Tag("=list")],
    Discriminator(_axis_shape),
]


class CompatTable(StrictTable):
    """The compatibility matrix of `lockgen compat`. Any pinned package may be an axis, by its name."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, AxisValue] = Field(init=False)

    python: list[PythonVersion] | None = Field(
        None, description="Python versions to try; default: the family's", min_length=1
    )
    variants: list[str] | None = Field(None, description="Variants to try; default: all", min_length=1)
    exclude: list[dict[str, str]] = Field(
        [], description='Cells to leave out, by specifiers on axes: { python = "3.12", torch = "2.1.*" }'
    )
    held: list[str] = Field([], description="Pins that must not change")
    pairs: dict[str, PairEntry] = Field({}, description="Partners of a torch release; overrides the pair table")


class GroupTable(StrictTable):
    """Pins that move together, in one pull request."""

    packages: list[NamePattern] = Field(
        [], description='Names of pinned packages; `*` matches any characters: "pyannote.*"', min_length=1
    )
    base_images: list[ImagePattern] = Field(
        [], description='Base images without tags; `*` matches any characters: "nvidia/*"', min_length=1
    )
    steps: list[UpdateStep] | None = Field(None, description="Allowed steps; default: those of [update]", min_length=1)
    cooldown: Days | None = Field(None, description="Minimum age of a release in days; overrides [update]")
    partial: bool = Field(False, description="Move the group without the pins that cannot move; else all or nothing")


class LeftOutEntry(StrictTable):
    """Releases to ignore."""

    package: NamePattern | None = Field(None, description="The name of a package; `*` matches any characters")
    base_image: ImagePattern | None = Field(None, description="The name of a base image, without its tag")
    variant: VariantName | None = Field(None, description="Only the pin of this variant")
    versions: str | None = Field(None, description='A specifier, such as ">=3" or "2.1.*"; default: all versions')
    reason: str = Field("", description="The reason, in one line", max_length=300)


class UpdateTable(StrictTable):
    """The policy of `lockgen update`."""

    groups: dict[GroupName, GroupTable] = Field({}, description="Pins that move together, by the name of the group")
    ignore: list[LeftOutEntry] = Field([], description='Releases to ignore: { package = "numpy", versions = ">=3" }')
    steps: list[UpdateStep] = Field(["patch", "minor", "major"], description="Allowed steps", min_length=1)
    cooldown: Days = Field(0, description="Minimum age of a release in days; security fixes do not wait")
    max_open: int = Field(5, description="Maximum number of open pull requests", ge=1, le=100)
    labels: list[Label] = Field(["dependencies"], description="Labels of pull requests")
    base: Annotated[str, StringConstraints(pattern=_BRANCH, max_length=100)] | None = Field(
        None, description="The base branch of pull requests; default: the default branch of the remote"
    )
    prefix: Annotated[str, StringConstraints(pattern=_PREFIX, max_length=60)] = Field(
        "lockgen/", description="Prefix of the names of lockgen's branches"
    )
    forge: Literal["github", "gitlab"] | None = Field(
        None, description="The kind of forge; default: detected from the remote's URL"
    )
    base_images: bool = Field(True, description="Update base images too: newer tags, and newer digests of the same tag")
    move_exclude_newer: bool = Field(
        False, description="Move [family] exclude-newer with newer releases; else newer releases are not proposed"
    )


class IgnoreEntry(StrictTable):
    """An advisory to ignore."""

    id: AdvisoryId = Field(description="An identifier of the advisory: CVE-…, GHSA-… or PYSEC-…")
    reason: Reason = Field(description="The reason why it is ignored")
    until: date | None = Field(None, description="The last day on which it is ignored; default: no end")


class AuditTable(StrictTable):
    """Settings of `lockgen audit`."""

    ignore: list[IgnoreEntry] = Field([], description="Advisories to ignore, each with a reason")


class LintTable(StrictTable):
    """Settings of `lockgen lint`."""

    unimported: dict[str, Reason] = Field(
        {}, description="Packages that are used without an import (plugins), each with a reason"
    )


class VersionsFile(StrictTable):
    """versions.toml, format 1: one file for a family of images."""

    format: Literal[1] = Field(1, description="The version of this format")
    family: FamilyTable
    index: dict[IndexName, IndexTable] = Field({}, description="Indexes in addition to the default one, by name")
    variants: dict[VariantName, VariantTable] = Field(description="Flavours of images, by name", min_length=1)
    pins: PinTable = Field({}, description="One version per package for the whole family")
    # Not validated: that would build a table's model, and the whole's once more.
    common: CommonTable = CommonTable.model_construct(packages=[])
    budgets: BudgetsTable = BudgetsTable.model_construct()
    bases: dict[ImageName, BaseTable] = Field(description="Images that others build on, by name", min_length=1)
    stages: dict[ImageName, StageTable] = Field({}, description="Images with an entrypoint, by name")
    compat: CompatTable | None = Field(None, description="The compatibility matrix")
    update: UpdateTable | None = Field(None, description="The policy of `lockgen update`")
    audit: AuditTable = Field(AuditTable.model_construct(), description="Settings of `lockgen audit`")
    lint: LintTable = Field(LintTable.model_construct(), description="Settings of `lockgen lint`")


_TABLES: dict[str, type[StrictTable]] = {
    "family": FamilyTable,
    "common": CommonTable,
    "budgets": BudgetsTable,
    "compat": CompatTable,
    "update": UpdateTable,
    "audit": AuditTable,
    "lint": LintTable,
}
_TABLES_BY_NAME: dict[str, type[StrictTable]] = {
    "pins": PinEntry,
    "index": IndexTable,
    "variants": VariantTable,
    "bases": BaseTable,
    "stages": StageTable,
}


def table_at(path: tuple[int | str, ...]) -> type[StrictTable] | None:
    """The model of the table at ``path`` in the file; None if it is not a table of the format."""
    match path:
        case ():
            return VersionsFile
        case (str(name),):
            return _TABLES.get(name)
        case (str(name), _):
            return _TABLES_BY_NAME.get(name)
        case ("variants", _, "pins", _):
            return PinEntry
        case ("compat", "pairs", _):
            return PairEntry
        case ("update", "groups", _):
            return GroupTable
        case ("update", "ignore", _):
            return LeftOutEntry
        case ("audit", "ignore", _):
            return IgnoreEntry
        case _:
            return None


def keys_of(table: type[StrictTable]) -> list[str]:
    """The keys that ``table`` may hold, as they are written in the file."""
    return [field.alias or name for name, field in table.model_fields.items()]


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of versions.toml."""
    schema = VersionsFile.model_json_schema(by_alias=True)
    _close(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _close(part: object) -> None:
    """Names that fit no pattern are wrong: pydantic leaves them open in the schema, and refuses them itself."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)
