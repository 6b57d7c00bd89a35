# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.
# All images: docker buildx bake -f docker/docker-bake.hcl, or `lockgen build`.

variable "REGISTRY" {
  default = ""
}

# The registry reference of the build cache, as in "registry.example/cache"; default: no cache.
variable "CACHE" {
  default = ""
}

# A folder that `lockgen fetch` filled. With it, builds use no package index.
variable "WHEELHOUSE" {
  default = ""
}

# The base image of variant cpu. Override it to use a mirror.
variable "BASE_CPU" {
  default = "python:3.11-slim"
}

# The base image of variant cuda. Override it to use a mirror.
variable "BASE_CUDA" {
  default = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
}

function "tagged" {
  params = [image, variant]
  result = "${REGISTRY == "" ? "" : "${REGISTRY}/"}small-${image}:${variant}"
}

function "cache" {
  params = [name, more]
  result = CACHE == "" ? [] : ["type=registry,ref=${CACHE}/small:${name}${more}"]
}

function "filled" {
  params = [name]
  result = WHEELHOUSE == "" ? {} : { wheelhouse = "${WHEELHOUSE}/${name}" }
}

group "default" {
  targets = ["asr-cpu", "asr-cuda", "base-cpu", "base-cuda", "demux-cpu", "ml-cpu", "ml-cuda"]
}

group "base" {
  targets = ["base-cpu", "base-cuda"]
}

group "ml" {
  targets = ["ml-cpu", "ml-cuda"]
}

group "asr" {
  targets = ["asr-cpu", "asr-cuda"]
}

group "all-cpu" {
  targets = ["asr-cpu", "base-cpu", "demux-cpu", "ml-cpu"]
}

group "all-cuda" {
  targets = ["asr-cuda", "base-cuda", "ml-cuda"]
}

target "_image" {
  context   = "."
  platforms = ["linux/amd64"]
}

target "_base-cpu-system" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "system"
  output     = ["type=cacheonly"]
  args = {
    BASE_IMAGE = BASE_CPU
  }
}

target "_base-cpu-tools" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "tools"
  output     = ["type=cacheonly"]
  contexts   = merge({ system = "target:_base-cpu-system" }, filled("tools"))
  args = {
    BASE_IMAGE = BASE_CPU
    TOOL_SOURCES = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
}

target "base-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "image"
  tags       = [tagged("base", "cpu")]
  contexts = merge({
    system = "target:_base-cpu-system"
    tools = "target:_base-cpu-tools"
  }, filled("base-cpu"))
  args = {
    BASE_IMAGE = BASE_CPU
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-base"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:3c24d02be2ef58882b9401d876cd51fcdcf6b7b81cb87133a4b17d2ab88c3ade"
  }
  cache-from = cache("base-cpu", "")
  cache-to   = cache("base-cpu", ",mode=max")
}

target "_base-cuda-system" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "system"
  output     = ["type=cacheonly"]
  args = {
    BASE_IMAGE = BASE_CUDA
    VARIANT = "cuda"
  }
}

target "_base-cuda-tools" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "tools"
  output     = ["type=cacheonly"]
  contexts   = merge({ system = "target:_base-cuda-system" }, filled("tools"))
  args = {
    BASE_IMAGE = BASE_CUDA
    VARIANT = "cuda"
    TOOL_SOURCES = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
}

target "base-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/base/Dockerfile"
  target     = "image"
  tags       = [tagged("base", "cuda")]
  contexts = merge({
    system = "target:_base-cuda-system"
    tools = "target:_base-cuda-tools"
  }, filled("base-cuda"))
  args = {
    BASE_IMAGE = BASE_CUDA
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    VARIANT = "cuda"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-base"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:3c24d02be2ef58882b9401d876cd51fcdcf6b7b81cb87133a4b17d2ab88c3ade"
  }
  cache-from = cache("base-cuda", "")
  cache-to   = cache("base-cuda", ",mode=max")
}

target "ml-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/ml/Dockerfile"
  target     = "image"
  tags       = [tagged("ml", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("ml-cpu"))
  args = {
    BASE_IMAGE = "small-base:cpu"
    PAGES      = WHEELHOUSE == "" ? "https://index.example/whl/cpu/torch/" : ""
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    REQUIREMENTS_1 = "docker/ml/requirements-ml.cpu.txt"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-ml"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:35611ebbeaee0df32e1792b71260fe65469efdc475ac65d71d46886722137463"
  }
  cache-from = cache("ml-cpu", "")
  cache-to   = cache("ml-cpu", ",mode=max")
}

target "ml-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/ml/Dockerfile"
  target     = "image"
  tags       = [tagged("ml", "cuda")]
  contexts = merge({
    below = "target:base-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("ml-cuda"))
  args = {
    BASE_IMAGE = "small-base:cuda"
    PAGES      = WHEELHOUSE == "" ? "https://index.example/whl/cu121/torch/" : ""
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    VARIANT = "cuda"
    REQUIREMENTS_1 = "docker/ml/requirements-ml.cuda.txt"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-ml"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:3b3408aaaf35c1ce5abb68f03925b5d37faa8a4293a9098f8808b70522f39e22"
  }
  cache-from = cache("ml-cuda", "")
  cache-to   = cache("ml-cuda", ",mode=max")
}

target "asr-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/asr/Dockerfile"
  target     = "image"
  tags       = [tagged("asr", "cpu")]
  contexts = merge({
    below = "target:ml-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("asr-cpu"))
  args = {
    BASE_IMAGE = "small-ml:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-asr"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:d8912304cf0606befbfef1c946397806fda9e605a0f813f859e95d59ef5d113f"
  }
  cache-from = cache("asr-cpu", "")
  cache-to   = cache("asr-cpu", ",mode=max")
}

target "asr-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/asr/Dockerfile"
  target     = "image"
  tags       = [tagged("asr", "cuda")]
  contexts = merge({
    below = "target:ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("asr-cuda"))
  args = {
    BASE_IMAGE = "small-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    VARIANT = "cuda"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-asr"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:6f1a882fd71e34cee438e71701ffbafbffb25f103028079ac82058e3b29ebbb9"
  }
  cache-from = cache("asr-cuda", "")
  cache-to   = cache("asr-cuda", ",mode=max")
}

target "demux-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/demux/Dockerfile"
  target     = "image"
  tags       = [tagged("demux", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("demux-cpu"))
  args = {
    BASE_IMAGE = "small-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-demux"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:3c24d02be2ef58882b9401d876cd51fcdcf6b7b81cb87133a4b17d2ab88c3ade"
  }
  cache-from = cache("demux-cpu", "")
  cache-to   = cache("demux-cpu", ",mode=max")
}
