#!/bin/sh
# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.
# Builds all images of the family, bases first. Passes its arguments to bake: targets, --push, --builder NAME.
set -eu
cd "$(dirname "$0")/.."
exec docker buildx bake --file docker/docker-bake.hcl "$@"
