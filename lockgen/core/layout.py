"""Paths and names that lockgen gives to files, bake targets and folders in images: all of them in one place.

Scripts and CI of users refer to these names: a change here breaks them.
"""

from __future__ import annotations

import re

# -- files of the project, relative to its folder --------------------------------

LOCK_PATH = "locks/lock.json"
COMPAT_PATH = "locks/COMPAT.md"
PAIRS_PATH = "locks/pairs.json"
SEEN_PATH = "locks/first-seen.json"
"""When a release without an upload time was first seen. The file lives on a separate branch."""

COMMON = "docker/requirements-common"
BUILD = "docker/requirements-build"
"""Requirement files, without the suffix for variants and without ".txt"."""

BAKE = "docker/docker-bake.hcl"
SCRIPT = "docker/build-all-images.sh"
VERSIONS = "docker/versions.txt"
IGNORE = ".dockerignore"

# -- headers of generated files --------------------------------------------------
# Ownership is decided by these headers, up to the colon: see ownership_rules.py.

MARK = "# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.\n"
COMPAT_MARK = "<!-- Generated from versions.toml by `lockgen compat`: edit that file, then run it again. -->\n"

# -- inside images ---------------------------------------------------------------

WORKDIR = "/app"
HELPERS = ("system", "tools")
# Preloaded models: caches of programs, and modules that `python -m` installs.
MODELS = "/opt/models"
MODULES = "site-packages"
# The variable that sets a cache folder of programs, to that folder in MODELS.
CACHES = {"HF_HOME": "cache/huggingface", "TORCH_HOME": "cache/torch", "XDG_CACHE_HOME": "cache"}

# -- bake ------------------------------------------------------------------------


def target_name(image: str, variant: str) -> str:
    """The name of a bake target. `parse_manifest` refuses a family with two equal names."""
    # Bake does not accept dots in names of targets.
    return f"{image}-{variant}".replace(".", "_")


def variable(variant: str) -> str:
    """The bake variable that replaces the base image of a variant. No two variants of a family share one."""
    return "BASE_" + re.sub(r"[^A-Z0-9]", "_", variant.upper())
