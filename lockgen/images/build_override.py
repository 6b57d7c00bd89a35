"""The second bake file of a build: labels, secrets and network settings that apply to this build only.

They stay out of docker/docker-bake.hcl, because that file must have the same bytes on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lockgen.core.layout import variable
from lockgen.images.affected import inputs_of
from lockgen.images.build_secrets import index_logins, write_secrets
from lockgen.images.docker import Docker
from lockgen.images.project_images import Family
from lockgen.io.git import last_commit
from lockgen.io.uv import default_index
from lockgen.outputs.model import ImagePlan

_REVISION = "org.opencontainers.image.revision"
_BASE_DIGEST = "org.opencontainers.image.base.digest"

Target = dict[str, object]


@dataclass(frozen=True)
class OverrideWriter:
    """Writes the override file of one build.

    ``bases`` maps bake variables to the references that replace base images. With ``offline``, all Python packages
    come from a wheelhouse.
    """

    docker: Docker
    family: Family
    bases: Mapping[str, str]
    offline: bool

    def write(self, folder: Path) -> Path:
        """Write the file, and the secrets that it names, into ``folder``."""
        path = folder / "override.json"
        path.write_text(json.dumps({"target": self._targets(folder)}))
        return path

    def _targets(self, folder: Path) -> dict[str, Target]:
        shared = self._shared(folder)
        digests = self._base_digests()
        plans = {image.name: image for image in self.family.plan.images}
        targets: dict[str, Target] = {}
        for image in self.family.plan.images:
            *bases, _ = self.family.manifest.chain(image.name)
            below = [plans[base.name] for base in bases]
            revision = last_commit(self.docker.root, inputs_of(image, below))
            settings = self._settings(image, shared)
            for variant in image.variants:
                labels = {}
                if revision:
                    labels[_REVISION] = revision
                digest = digests[variant.variant]
                if digest:
                    labels[_BASE_DIGEST] = digest
                targets[variant.target] = {**settings, "labels": labels}
                if variant.base is None:
                    # apt needs the network, but no credentials of the package index.
                    targets[f"_{variant.target}-system"] = {}
                    targets[f"_{variant.target}-tools"] = dict(shared)
        return targets

    def _shared(self, folder: Path) -> Target:
        """The settings of every target that installs packages."""
        index = default_index()
        # A wheelhouse has every package, so such a build needs no credentials of other indexes.
        logins = {} if self.offline else index_logins(self.family.manifest)
        shared: Target = {"secret": write_secrets(index, logins, folder)}
        indexes = (index, *self.family.lock.indexes.values())
        if not self.offline and any(_is_loopback(url) for url in indexes):
            # Inside a build, localhost is the build's own network namespace.
            shared["network"] = "host"
        return shared

    def _settings(self, image: ImagePlan, shared: Target) -> Target:
        # A wheelhouse contains neither system packages nor models, so steps for those keep the network.
        if self.offline and not _needs_network(image):
            return {**shared, "network": "none"}
        return shared

    def _base_digests(self) -> dict[str, str | None]:
        """The digest of each variant's base image, by variant."""
        digests: dict[str, str | None] = {}
        for variant, locked in self.family.plan.base_images:
            reference = self.bases.get(variable(variant), locked)
            digests[variant] = self.docker.digest(reference)
        return digests


def _needs_network(image: ImagePlan) -> bool:
    """Whether a step of the image's own target needs the network for more than Python packages."""
    if image.preload or image.build_apt:
        return True
    # The apt packages of a root base are installed in a separate target.
    return bool(image.apt) and not image.root


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
