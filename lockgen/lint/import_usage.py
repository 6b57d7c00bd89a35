"""Requirements of an image that its code does not import, and imports that it does not require."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name

from lockgen.core.lock import Lock
from lockgen.core.manifest import DeclaredRequirement, Manifest
from lockgen.lint.model import NEEDED, CodeFile, ImageCode, Import, Lint, LintFinding
from lockgen.lock.closure import Closures

# Modules of the standard library that earlier Pythons do not have.
_NEW = {
    "3.9": {"graphlib", "zoneinfo"},
    "3.11": {"tomllib"},
    "3.14": {"annotationlib", "compression"},
}

# Modules of the standard library that later Pythons do not have (PEP 632, PEP 594).
_GONE = {
    "3.12": {"asynchat", "asyncore", "distutils", "imp", "smtpd"},
    "3.13": {
        *(
            "aifc",
            "audioop",
            "cgi",
            "cgitb",
            "chunk",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "msilib",
            "nis",
            "nntplib",
        ),
        *("ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
    },
}


def standard_library(known: Collection[str], python: str) -> frozenset[str]:
    """The top-level modules of Python ``python`` ("3.11"): those ``known`` to this Python, moved in time."""
    target = _numbers(python)
    names = set(known) | {"__main__", "__future__"}
    for since, gone in _GONE.items():
        names = names - gone if target >= _numbers(since) else names | gone
    for since, new in _NEW.items():
        names = names | new if target >= _numbers(since) else names - new
    return frozenset(names)


def _numbers(python: str) -> tuple[int, ...]:
    return tuple(map(int, python.split(".")))


class Modules:
    """Which packages provide a module. ``known`` is by pin; the modules of other packages are unknown."""

    def __init__(self, known: Mapping[str, frozenset[str]]) -> None:
        self.known = known
        self._holders: dict[str, set[str]] = {}
        self._under: dict[str, set[str]] = {}
        for pin, modules in known.items():
            for module in modules:
                self._holders.setdefault(module, set()).add(pin)
                parts = module.split(".")
                for length in range(1, len(parts)):
                    self._under.setdefault(".".join(parts[:length]), set()).add(pin)

    def holders(self, name: str, among: Collection[str]) -> set[str]:
        """The pins ``among`` which the module that ``name`` leads to is: its longest part that any of them has.

        A bare namespace is of all that are in it.
        """
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            found = self._holders.get(".".join(parts[:length]), set()) & set(among)
            if found:
                return found
        return self._under.get(name, set()) & set(among)

    def lacking(self, one: Import, among: Collection[str]) -> str:
        """The module that ``one`` misses among the pins: its first part, or more where that is a namespace there."""
        if not self._under.get(one.top, set()) & set(among):
            return one.top
        return one.name if self._under.get(one.module, set()) & set(among) else one.module


@dataclass(frozen=True)
class _View:
    """One image in one variant: what it holds and what it asks for, as pins."""

    image: str
    tag: str
    held: frozenset[str]
    asked: frozenset[str]


def lint(
    manifest: Manifest,
    lock: Lock,
    codes: Mapping[str, ImageCode],
    modules: Modules,
    unknown: Mapping[str, str],
    stdlib: frozenset[str],
) -> Lint:
    """Every misfit between ``codes`` (by image) and what versions.toml asks for. ``unknown`` is by pin."""
    views = _views(manifest, lock)
    used = _used(manifest, codes, modules, views, stdlib)
    # Report an unknown package only if it would have produced a finding.
    doubts: set[str] = set()
    misfits = [
        *_unreadable(codes),
        *_unused(manifest, lock, codes, used, unknown, doubts),
        *_strange(codes, modules, views, unknown, stdlib, doubts),
    ]
    return Lint(
        misfits=tuple(sorted(misfits, key=lambda one: (one.file, one.line or 0, one.kind, one.subject))),
        seen=len({file.path for code in codes.values() for file in code.files}),
        unjudged={name: code.unjudged for name, code in sorted(codes.items()) if code.unjudged},
        unknown={pin: why for pin, why in sorted(unknown.items()) if pin in doubts},
        idle=tuple(_idle(manifest, used)),
    )


def _views(manifest: Manifest, lock: Lock) -> list[_View]:
    closures = Closures(lock)
    found = []
    for image in lock.images:
        table = lock.by_variant[image.variant]
        asks = {ask.name for link in lock.chain(image) for ask in (*link.common, *link.requires)}
        held = frozenset(table[name].pin for name in closures.of(image))
        found.append(_View(image.name, image.tag, held, frozenset(table[name].pin for name in asks if name in table)))
    return [view for view in found if view.image in manifest.images]


# -- asked for, not imported ---------------------------------------------------


def _used(
    manifest: Manifest,
    codes: Mapping[str, ImageCode],
    modules: Modules,
    views: Sequence[_View],
    stdlib: frozenset[str],
) -> dict[str, set[str]]:
    """Image to the names of the packages that its code imports, or that it runs while it is built."""
    used: dict[str, set[str]] = {name: set() for name in manifest.images}
    for view in views:
        code = codes[view.image]
        names = _wanted(code, stdlib) | {said.split()[0] for said in manifest.images[view.image].preload}
        for name in names:
            used[view.image] |= {pin.partition("==")[0] for pin in modules.holders(name, view.held)}
        used[view.image] |= {
            canonicalize_name(one.name) for file in code.files for one in file.imports if one.how == "distribution"
        }
    return used


def _wanted(code: ImageCode, stdlib: frozenset[str]) -> set[str]:
    """The names of all that may be a package's."""
    own = _Own(code)
    return {
        one.name
        for file in code.files
        for one in file.imports
        if one.how not in {"typing", "distribution"} and one.top not in stdlib and not own.surely(file, one)
    }


def _unused(
    manifest: Manifest,
    lock: Lock,
    codes: Mapping[str, ImageCode],
    used: Mapping[str, set[str]],
    unknown: Mapping[str, str],
    doubts: set[str],
) -> Iterable[LintFinding]:
    """An ask that no image with it imports. Of an image that cannot be judged, and a base below one, nobody can say."""
    every = tuple(sorted(manifest.images))
    locked = {package.name for package in lock.packages}
    for ask, who, images in _asks(manifest, every):
        if ask.name not in locked or ask.name in manifest.unimported:
            continue
        if not manifest.target.holds(ask.requirement.marker):  # another requirement may still lock it
            continue
        if any(ask.name in used[name] for name in images) or any(codes[name].unjudged for name in images):
            continue
        if not any(codes[name].files for name in images):  # a base that nothing stands on yet
            continue
        if doubtful := {pin for pin in unknown if pin.partition("==")[0] == ask.name}:
            doubts |= doubtful
            continue
        typing = _only_typing(ask.name, images, codes)
        yield LintFinding(
            kind="unused",
            file="versions.toml",
            line=None,
            subject=ask.name,
            message=f"{who} asks for {ask.text}, and {_whose(images)} imports it{typing}",
            hint=f'take it out; or say why it is used all the same: [lint.unimported] {ask.name} = "…"',
            images=images,
            path=ask.path,
        )


def _asks(manifest: Manifest, every: tuple[str, ...]) -> Iterable[tuple[DeclaredRequirement, str, tuple[str, ...]]]:
    """Each ask, whose it is, and the images that hold it for that reason."""
    for ask in manifest.common:
        yield ask, "[common]", every
    for image in manifest.images.values():
        above = tuple(name for name in every if image in manifest.chain(name))
        for ask in image.packages:
            yield ask, f"[{'bases' if image.kind == 'base' else 'stages'}.{image.name}]", above


def _whose(images: Sequence[str]) -> str:
    return f"no code of {images[0]}" if len(images) == 1 else f"no code of the {len(images)} images with it"


def _only_typing(name: str, images: Iterable[str], codes: Mapping[str, ImageCode]) -> str:
    spelled = name.replace("-", "_")
    for image in images:
        for file in codes[image].files:
            if any(one.how == "typing" and one.top == spelled for one in file.imports):
                return f" but under TYPE_CHECKING ({file.path})"
    return ""


def _idle(manifest: Manifest, used: Mapping[str, set[str]]) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
    asked = {ask.name for ask, _, _ in _asks(manifest, tuple(sorted(manifest.images)))}
    for name, declared in sorted(manifest.unimported.items()):
        if name not in asked:
            yield declared.path, name, "no image asks for it"
        elif any(name in names for names in used.values()):
            yield declared.path, name, "code imports it"


# -- imported, not asked for ---------------------------------------------------


class _Own:
    """What the code of an image may mean of the image's own by a name. By folder: what lies in it, as a name."""

    def __init__(self, code: ImageCode) -> None:
        self._inside: dict[str, set[str]] = {}
        self._regular: dict[str, set[str]] = {}  # modules, and folders other than namespaces
        self._packages: set[str] = set()
        for file in code.files:
            if file.path.endswith(".py"):
                self._enter(file.path.removesuffix(".py").split("/"))
        self._roots = code.roots
        self._always = code.own | {folder.split("/")[0] for folder in code.folders}
        # Code may put any of the copied folders on Python's path while it runs.
        self._tops = set[str]().union(*(self._inside.get(folder, ()) for folder in code.folders))

    def _enter(self, parts: list[str]) -> None:
        for depth, part in enumerate(parts):
            self._inside.setdefault("/".join(parts[:depth]), set()).add(part)
        *folders, stem = parts
        if stem == "__init__":
            self._packages.add("/".join(folders))
            *folders, stem = folders or [""]
        self._regular.setdefault("/".join(folders), set()).add(stem)

    def maybe(self, file: CodeFile, one: Import) -> bool:
        """Whether the module is on Python's path, or next to ``file`` if that is not part of a package.

        The folder of a script is on the path, a package's own is not. ``file`` itself does not count there: who
        wants a package by its name in a file named like it means the package.
        """
        here, stem = _place(file)
        if one.top in self._always or any(one.top in self._inside.get(root, ()) for root in self._roots):
            return True
        return here not in self._packages and one.top != stem and one.top in self._inside.get(here, ())

    def somehow(self, file: CodeFile, one: Import) -> bool:
        """Whether there is such a module where no package has it: at the top of a copied folder, or ``file`` itself."""
        here, stem = _place(file)
        return one.top in self._tops or (one.top == stem and here not in self._packages)

    def surely(self, file: CodeFile, one: Import) -> bool:
        """Whether it is found there before any package: PYTHONPATH comes first, but for a folder without __init__."""
        return one.top != _place(file)[1] and any(one.top in self._regular.get(root, ()) for root in self._roots)


def _place(file: CodeFile) -> tuple[str, str]:
    """The folder of a file, and its name without its suffix."""
    folder, _, name = file.path.rpartition("/")
    return folder, name.partition(".")[0]


def _strange(
    codes: Mapping[str, ImageCode],
    modules: Modules,
    views: Sequence[_View],
    unknown: Mapping[str, str],
    stdlib: frozenset[str],
    doubts: set[str],
) -> Iterable[LintFinding]:
    """One finding for each line and name, whichever images feel it."""
    found: dict[tuple[str, int, str, str], LintFinding] = {}
    for view in views:
        code, own = codes[view.image], _Own(codes[view.image])
        for file in code.files:
            for one in (one for one in file.imports if one.how in NEEDED and one.top not in stdlib):
                holders = modules.holders(one.name, view.held)
                if own.maybe(file, one):
                    continue
                if not holders and own.somehow(file, one):
                    continue
                if not holders and view.held & unknown.keys():
                    doubts |= view.held & unknown.keys()
                    continue
                if holders & view.asked:
                    continue
                misfit = _judged(one, file, view, holders, modules)
                key = (file.path, one.line, misfit.subject, misfit.kind)
                known = found.get(key, misfit)
                found[key] = replace(known, images=tuple(sorted({*known.images, *misfit.images})))
    return found.values()


def _judged(one: Import, file: CodeFile, view: _View, holders: set[str], modules: Modules) -> LintFinding:
    if holders:
        names = " and ".join(sorted(pin.replace("==", " ") for pin in holders))
        first = min(holders).partition("==")[0]
        message = f"imports {one.top}{_said(one)}: {names} is there only because something else needs it"
        return LintFinding(
            "undeclared",
            file.path,
            one.line,
            one.top,
            message,
            f'ask for it: packages = ["{first}"]',
            (view.tag,),
            one.how,
        )
    name = modules.lacking(one, view.held)
    message = f"imports {name}{_said(one)}, and no package of the image holds that"
    return LintFinding("missing", file.path, one.line, name, message, _remedy(one, modules), (view.tag,), one.how)


def _remedy(one: Import, modules: Modules) -> str:
    if elsewhere := sorted({pin.partition("==")[0] for pin in modules.holders(one.name, modules.known.keys())}):
        return f'ask for it: packages = ["{elsewhere[0]}"]'
    brought = [since for since, new in _NEW.items() if one.top in new]
    return f"Python {brought[0]} brought it" if brought else "ask for the package that holds it"


def _said(one: Import) -> str:
    return {"late": " in a function", "by-name": " by name"}.get(one.how, "")


def _unreadable(codes: Mapping[str, ImageCode]) -> Iterable[LintFinding]:
    found: dict[str, LintFinding] = {}
    for code in codes.values():
        for file in (file for file in code.files if file.fault):
            images = tuple(sorted({*(found[file.path].images if file.path in found else ()), code.image}))
            message = f"is not valid Python: {file.fault}"
            found[file.path] = LintFinding(
                "unreadable", file.path, file.fault_line, file.path, message, "mend it", images
            )
    return found.values()
