"""Modules that an image's own code contains, as opposed to those of packages."""

from __future__ import annotations

from collections import defaultdict

from lockgen.lint.model import CodeFile, ImageCode, Import


class LocalModules:
    """Whether an import may lead to a file of the image's own code."""

    def __init__(self, code: ImageCode) -> None:
        # By folder. `_regular` has no namespace folders, which a package of the same name takes precedence over.
        self._names: dict[str, set[str]] = defaultdict(set)
        self._regular: dict[str, set[str]] = defaultdict(set)
        self._packages: set[str] = set()
        for file in code.files:
            if file.path.endswith(".py"):
                self._add(file.path.removesuffix(".py").split("/"))
        self._python_path = code.python_path
        # /app is on Python's path, and contains the copied folders.
        self._in_app = code.program_modules | {folder.split("/")[0] for folder in code.folders}
        self._in_copied_folders: set[str] = set()
        for folder in code.folders:
            self._in_copied_folders |= self._names.get(folder, set())

    def _add(self, parts: list[str]) -> None:
        for depth, part in enumerate(parts):
            folder = "/".join(parts[:depth])
            self._names[folder].add(part)
        *folders, stem = parts
        if stem == "__init__":
            self._packages.add("/".join(folders))
            # The module is the folder itself.
            *folders, stem = folders or [""]
        self._regular["/".join(folders)].add(stem)

    def is_reachable(self, file: CodeFile, imported: Import) -> bool:
        """Whether the module is on Python's path, or next to ``file`` if that is not part of a package.

        The folder of a script is on the path, the folder of a package's module is not. ``file`` itself does not
        count: an import of its name means the package.
        """
        name = imported.top_level
        if name in self._in_app:
            return True
        if any(name in self._names.get(folder, ()) for folder in self._python_path):
            return True
        folder, stem = _location(file)
        if folder in self._packages or name == stem:
            return False
        return name in self._names.get(folder, ())

    def may_be_reachable(self, file: CodeFile, imported: Import) -> bool:
        """Whether the module exists where Python may find it if no package provides it.

        Code may add any of the copied folders to Python's path while it runs. A script may also import itself.
        """
        if imported.top_level in self._in_copied_folders:
            return True
        folder, stem = _location(file)
        return imported.top_level == stem and folder not in self._packages

    def shadows_packages(self, file: CodeFile, imported: Import) -> bool:
        """Whether Python finds the module before any package: PYTHONPATH comes first, except for namespace folders."""
        _, stem = _location(file)
        if imported.top_level == stem:
            return False
        return any(imported.top_level in self._regular.get(folder, ()) for folder in self._python_path)


def _location(file: CodeFile) -> tuple[str, str]:
    """The folder of a file, and its name without suffix."""
    folder, _, name = file.path.rpartition("/")
    return folder, name.partition(".")[0]
