"""The tables of versions.toml, format 1: one declaration for the reader, the messages and the JSON schema.

Only the shape is described here. What needs more than one value (references, cycles, names given twice) is checked by
``reader.py``. Annotations are evaluated, because ``table_reader.py`` and ``schema.py`` interpret them.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, dataclass_transform

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
_IMPORTED = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
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
    _IMPORTED: ("a module", 'its dotted name, as in "transformers.models.bert.modeling_bert"'),
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


class Text(NamedTuple):
    """Limits of a string: what it has to match, and its length."""

    pattern: str | None = None
    least: int | None = None
    most: int | None = None
    description: str | None = None


class Number(NamedTuple):
    """The limits of an integer."""

    least: int
    most: int


class Length(NamedTuple):
    """The least length of an array."""

    least: int


class Shapes(NamedTuple):
    """A value that may be a string (``text``) or something else (``other``): ``shape`` returns "=text" or ``tag``."""

    shape: Callable[[object], str]
    text: Any
    other: Any
    tag: str


ImageName = Annotated[str, Text(_IMAGE, most=100)]
VariantName = Annotated[str, Text(_VARIANT, most=60)]
IndexName = Annotated[str, Text(_INDEX, most=60)]
ImageReferenceText = Annotated[str, Text(_REFERENCE, most=400)]
FolderName = Annotated[str, Text(_FOLDER, most=200)]
AptPackage = Annotated[str, Text(_APT, most=120)]
EnvName = Annotated[str, Text(_ENV_NAME)]
EnvValue = Annotated[str, Text(_ENV_VALUE)]
PythonVersion = Annotated[str, Text(_PYTHON)]
PythonRelease = Annotated[str, Text(_PYTHON_RELEASE)]
Size = Annotated[str, Text(_SIZE, most=40)]
AdvisoryId = Annotated[str, Text(_ADVISORY, most=100)]
Reason = Annotated[str, Text(least=1, most=500)]
Module = Annotated[str, Text(_MODULE, most=300)]
ImportedModule = Annotated[str, Text(_IMPORTED, most=200)]
Argument = Annotated[str, Text(least=1, most=1000)]
GroupName = Annotated[str, Text(_GROUP, most=60)]
ImagePattern = Annotated[str, Text(_IMAGE_PATTERN, most=200)]
NamePattern = Annotated[str, Text(_PATTERN, most=200)]
Label = Annotated[str, Text(_LABEL, most=50)]
UpdateStep = Literal["patch", "minor", "major"]
Days = Annotated[int, Number(0, 3650)]
RequirementText = Annotated[
    str, Text(most=500, description='A PEP 508 requirement: "numpy", "numpy>=1.26", "fastapi[standard]"')
]


class Key(NamedTuple):
    """What is declared about a key besides its type. ``is_rest`` stands for all keys that are not declared."""

    description: str
    least: int | None = None
    most: int | None = None
    is_rest: bool = False


def key(
    description: str,
    *,
    default: Any = MISSING,
    least: int | None = None,
    most: int | None = None,
    is_rest: bool = False,
) -> Any:
    """A key of a table. ``least`` and ``most`` limit an integer, or the length of anything else."""
    metadata = {"key": Key(description, least, most, is_rest)}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
class _Table:
    """A table of the file: unknown keys and loose types are errors.

    The methods are here, because `dataclass` compiles them for each class, whenever the module is imported.
    """

    def __init_subclass__(cls) -> None:
        dataclass(init=False, eq=False, repr=False, kw_only=True)(cls)

    def __init__(self, **values: Any) -> None:
        this: Any = self
        for item in fields(this):
            vars(self)[item.name] = values.pop(item.name) if item.name in values else _default(item)
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        # Equal tables have equal hashes; the values may be lists.
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} of {type(self).__name__} cannot be changed")


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    if item.default is MISSING:
        raise TypeError(f"{item.name} is missing")
    return item.default


def spelling(name: str) -> str:
    """The key of the file for the attribute ``name``."""
    return name.rstrip("_").replace("_", "-")


def type_of(item: Field[Any]) -> Any:
    """The type of a key, with its limits."""
    return item.type


def declared(item: Field[Any]) -> Key:
    """What is declared about the key of a table."""
    found: Key = item.metadata["key"]
    return found


def _pin_shape(value: object) -> str:
    # Any other table comes from a name with dots that was not quoted, and is reported as such.
    return "=table" if isinstance(value, dict) and value.keys() & {"version", "held"} else "=text"


def _axis_shape(value: object) -> str:
    return "=text" if isinstance(value, str) else "=list"


class PinEntry(_Table):
    """A pin with options."""

    version: str = key('An exact version, as in "2.5.1+cu121"')
    held: bool = key("No command changes this pin by itself, and none proposes another version", default=False)


PinValue = Annotated[
    str | PinEntry,
    Shapes(
        _pin_shape,
        text=Annotated[str, Text(description='An exact version, as in "2.5.1+cu121"')],
        other=PinEntry,
        tag="=table",
    ),
]
PinTable = dict[str, PinValue]


class FamilyTable(_Table):
    """Settings of the whole family."""

    name: ImageName = key("Images are {registry}/{name}-{image}:{variant}")
    registry: Annotated[str, Text(_REGISTRY)] | None = key("The registry to push images to", default=None)
    python: PythonRelease = key(
        'The images\' Python, as in "3.11", or "3.11.9" if all base images have that patch release'
    )
    platform: Literal["linux/amd64", "linux/arm64"] = key("The platform of the images", default="linux/amd64")
    glibc: Annotated[str, Text(_GLIBC)] = key(
        "The oldest glibc of the base images; wheels that need a newer one are not used", default="2.28"
    )
    exclude_newer: datetime | None = key("Ignore releases published later: a date, a time and an offset", default=None)
    build: list[str] = key("Packages to build from source; all others need a wheel", default=[])
    user: Annotated[str, Text(_USER, most=32)] = key(
        "The unprivileged user that every image runs as", default="appuser"
    )
    uid: int = key("The user ID of that user", default=1000, least=1, most=60000)


class IndexTable(_Table):
    """An index in addition to the default one."""

    url: Annotated[str, Text(_URL)] = key("The URL of the index (PEP 503)")
    packages: list[str] = key("Packages that come only from this index", least=1)
    recorded: FolderName | None = key(
        "The folder of the record, used instead of the network unless --live is given", default=None
    )


class VariantTable(_Table):
    """A flavour of images with its own index, base image and pins."""

    from_: ImageReferenceText = key("The base image of this variant")
    index: str | None = key("The index for the packages that it lists", default=None)
    pins: PinTable = key("Pins of this variant; they override [pins]", default={})
    ppa: Annotated[str, Text(_PPA, most=100)] | None = key(
        "The PPA with Python, for an Ubuntu base without the family's Python", default=None
    )


class CommonTable(_Table):
    """Packages that every root base installs first, from docker/requirements-common.txt."""

    packages: list[RequirementText] = key("Requirements; pins decide their versions", default=[])


class BudgetsTable(_Table):
    """Size limits of images, in installed bytes of Python packages. `lockgen check` fails if they are exceeded."""

    max_image: Size | None = key("The limit for all layers of an image", default=None)
    max_layer: Size | None = key("The limit for one layer", default=None)


class ChecksTable(_Table):
    """Limits of each command that checks an image: its imports together, and each of its tests."""

    seconds: int = key("Wall time in seconds", default=300, least=1, most=86400)
    memory: Size = key("Memory of all its processes", default="8 GB")
    network: bool = key("Allow the network; else checks have none", default=False)


class BaseTable(_Table):
    """A base: an image that others build on."""

    from_: str | None = key("The base to build on; default: the base image of the variant", default=None)
    variants: list[str] | None = key("Variants to build; default: those of its base", default=None)
    packages: list[RequirementText] = key("Requirements; pins decide their versions", default=[])
    apt: list[AptPackage] = key("System packages of the image", default=[])
    build_apt: list[AptPackage] = key("System packages of its build stage only", default=[])
    copy_: list[FolderName] = key("Folders of shared code to copy", default=[])
    env: dict[EnvName, EnvValue] = key("Environment variables", default={})
    folders: list[FolderName] = key("Folders in /app that the user may write to", default=[])
    preload: list[Module] = key(
        "Arguments of `python -m` that fetch models during the build; not locked or hashed", default=[]
    )
    check_imports: list[ImportedModule] = key(
        "Modules that must be importable; default: the top-level modules of all required packages", default=[]
    )
    tests: list[Annotated[list[Argument], Length(1)]] = key(
        'Commands that must succeed in the image, as argument lists: ["python", "-m", "pytest", "tests/smoke"]',
        default=[],
    )
    max_image: Size | None = key("The limit for this image; overrides [budgets]", default=None)
    max_layer: Size | None = key("The limit for the layers of this image; overrides [budgets]", default=None)


class StageTable(BaseTable):
    """A stage: an image that no other image builds on."""

    from_: str = key("The base to build on")
    entrypoint: Annotated[str, Text(_PROGRAM)] | None = key("The stage's program, next to its Dockerfile", default=None)


class PairEntry(_Table):
    """The packages that match one torch release."""

    torchaudio: str | None = key("The matching torchaudio", default=None)
    torchvision: str | None = key("The matching torchvision", default=None)
    accelerator: str | None = key('Accelerator of the build on the default index, such as "cu121"', default=None)
    python: list[PythonVersion] | None = key("Python versions with wheels", default=None)


AxisValue = Annotated[
    str | list[str],
    Shapes(
        _axis_shape,
        text=Annotated[str, Text(description="A version specifier; all matching versions of the index are tried")],
        other=Annotated[list[str], Length(1)],
        tag="=list",
    ),
]


class CompatTable(_Table):
    """The compatibility matrix of `lockgen compat`. Any pinned package may be an axis, by its name."""

    python: list[PythonVersion] | None = key("Python versions to try; default: the family's", default=None, least=1)
    variants: list[str] | None = key("Variants to try; default: all", default=None, least=1)
    exclude: list[dict[str, str]] = key(
        'Cells to leave out, by specifiers on axes: { python = "3.12", torch = "2.1.*" }', default=[]
    )
    held: list[str] = key("Pins that must not change", default=[])
    pairs: dict[str, PairEntry] = key("Partners of a torch release; overrides the pair table", default={})
    axes: dict[str, AxisValue] = key("All other keys", default={}, is_rest=True)


class GroupTable(_Table):
    """Pins that move together, in one pull request."""

    packages: list[NamePattern] = key(
        'Names of pinned packages; `*` matches any characters: "pyannote.*"', default=[], least=1
    )
    base_images: list[ImagePattern] = key(
        'Base images without tags; `*` matches any characters: "nvidia/*"', default=[], least=1
    )
    steps: list[UpdateStep] | None = key("Allowed steps; default: those of [update]", default=None, least=1)
    cooldown: Days | None = key("Minimum age of a release in days; overrides [update]", default=None)
    partial: bool = key("Move the group without the pins that cannot move; else all or nothing", default=False)


class LeftOutEntry(_Table):
    """Releases to ignore."""

    package: NamePattern | None = key("The name of a package; `*` matches any characters", default=None)
    base_image: ImagePattern | None = key("The name of a base image, without its tag", default=None)
    variant: VariantName | None = key("Only the pin of this variant", default=None)
    versions: str | None = key('A specifier, such as ">=3" or "2.1.*"; default: all versions', default=None)
    reason: str = key("The reason, in one line", default="", most=300)


class UpdateTable(_Table):
    """The policy of `lockgen update`."""

    groups: dict[GroupName, GroupTable] = key("Pins that move together, by the name of the group", default={})
    ignore: list[LeftOutEntry] = key('Releases to ignore: { package = "numpy", versions = ">=3" }', default=[])
    steps: list[UpdateStep] = key("Allowed steps", default=["patch", "minor", "major"], least=1)
    cooldown: Days = key("Minimum age of a release in days; security fixes do not wait", default=0)
    max_open: int = key("Maximum number of open pull requests", default=5, least=1, most=100)
    labels: list[Label] = key("Labels of pull requests", default=["dependencies"])
    base: Annotated[str, Text(_BRANCH, most=100)] | None = key(
        "The base branch of pull requests; default: the default branch of the remote", default=None
    )
    prefix: Annotated[str, Text(_PREFIX, most=60)] = key(
        "Prefix of the names of lockgen's branches", default="lockgen/"
    )
    forge: Literal["github", "gitlab"] | None = key(
        "The kind of forge; default: detected from the remote's URL", default=None
    )
    prove: Literal["resolve", "imports", "tests"] = key(
        "What an update must pass: that it resolves, that the images' packages import, or that their tests pass, too",
        default="imports",
    )
    base_images: bool = key("Update base images too: newer tags, and newer digests of the same tag", default=True)
    move_exclude_newer: bool = key(
        "Move [family] exclude-newer with newer releases; else newer releases are not proposed", default=False
    )


class IgnoreEntry(_Table):
    """An advisory to ignore."""

    id: AdvisoryId = key("An identifier of the advisory: CVE-…, GHSA-… or PYSEC-…")
    reason: Reason = key("The reason why it is ignored")
    until: date | None = key("The last day on which it is ignored; default: no end", default=None)


class AuditTable(_Table):
    """Settings of `lockgen audit`."""

    ignore: list[IgnoreEntry] = key("Advisories to ignore, each with a reason", default=[])


class LintTable(_Table):
    """Settings of `lockgen lint`."""

    unimported: dict[str, Reason] = key(
        "Packages that are used without an import (plugins), each with a reason", default={}
    )


class VersionsFile(_Table):
    """versions.toml, format 1: one file for a family of images."""

    format: Literal[1] = key("The version of this format", default=1)
    family: FamilyTable = key("")
    index: dict[IndexName, IndexTable] = key("Indexes in addition to the default one, by name", default={})
    variants: dict[VariantName, VariantTable] = key("Flavours of images, by name", least=1)
    pins: PinTable = key("One version per package for the whole family", default={})
    common: CommonTable = key("", default=CommonTable())
    budgets: BudgetsTable = key("", default=BudgetsTable())
    checks: ChecksTable = key("", default=ChecksTable())
    bases: dict[ImageName, BaseTable] = key("Images that others build on, by name", least=1)
    stages: dict[ImageName, StageTable] = key("Images with an entrypoint, by name", default={})
    compat: CompatTable | None = key("The compatibility matrix", default=None)
    update: UpdateTable | None = key("The policy of `lockgen update`", default=None)
    audit: AuditTable = key("Settings of `lockgen audit`", default=AuditTable())
    lint: LintTable = key("Settings of `lockgen lint`", default=LintTable())


_TABLES: dict[str, type[object]] = {
    "family": FamilyTable,
    "common": CommonTable,
    "budgets": BudgetsTable,
    "checks": ChecksTable,
    "compat": CompatTable,
    "update": UpdateTable,
    "audit": AuditTable,
    "lint": LintTable,
}
_TABLES_BY_NAME: dict[str, type[object]] = {
    "pins": PinEntry,
    "index": IndexTable,
    "variants": VariantTable,
    "bases": BaseTable,
    "stages": StageTable,
}


def table_at(path: tuple[int | str, ...]) -> type[object] | None:
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


def keys_of(table: type[Any]) -> list[str]:
    """The keys that ``table`` may hold, as they are written in the file."""
    return [spelling(item.name) for item in fields(table) if not declared(item).is_rest]
