#!/bin/sh
# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.
# Builds every image of the family, those below first. Arguments go to bake: targets, --push, --builder NAME.
set -eu
cd "$(dirname "$0")/.."
exec docker buildx bake --file docker/docker-bake.hcl "$@"
