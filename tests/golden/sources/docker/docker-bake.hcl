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
  targets = ["asr-cpu", "asr-cuda", "base-cpu", "base-cuda", "demux-cpu", "ml-cpu", "ml-cuda", "other-cpu"]
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
  targets = ["asr-cpu", "base-cpu", "demux-cpu", "ml-cpu", "other-cpu"]
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
    "dev.lockgen.lock"                   = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
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
    "dev.lockgen.lock"                   = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
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
    "dev.lockgen.lock"                   = "sha256:aa5f01959fc251377e8f17dfdd7b8c5da014facba632de62f7e108188811a61a"
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
    "dev.lockgen.lock"                   = "sha256:919c2f8dc034df2dfba4f54fc44524107bf8ff378c7e8b06afa0f0a672130cd1"
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
    "dev.lockgen.lock"                   = "sha256:dc8b99fe15e1c52442ae57b053f946dc7d10701f7e97d6974c1e334f955c4170"
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
    "dev.lockgen.lock"                   = "sha256:c8f0d5ba5a27e9a15f0d12aa2ca2914d0a14a38b24e9529950f44d25eb0f527f"
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
    "dev.lockgen.lock"                   = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }
  cache-from = cache("demux-cpu", "")
  cache-to   = cache("demux-cpu", ",mode=max")
}

target "_other-cpu-system" {
  inherits   = ["_image"]
  dockerfile = "docker/other/Dockerfile"
  target     = "system"
  output     = ["type=cacheonly"]
  args = {
    BASE_IMAGE = BASE_CPU
  }
}

target "_other-cpu-tools" {
  inherits   = ["_image"]
  dockerfile = "docker/other/Dockerfile"
  target     = "tools"
  output     = ["type=cacheonly"]
  contexts   = merge({ system = "target:_other-cpu-system" }, filled("tools"))
  args = {
    BASE_IMAGE = BASE_CPU
    TOOL_SOURCES = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
}

target "other-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/other/Dockerfile"
  target     = "image"
  tags       = [tagged("other", "cpu")]
  contexts = merge({
    system = "target:_other-cpu-system"
    tools = "target:_other-cpu-tools"
  }, filled("other-cpu"))
  args = {
    BASE_IMAGE = BASE_CPU
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "small-other"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:98cff5669d2232eff3100c27842f7ddb9db92b272129fec402b491c51d0c656b"
  }
  cache-from = cache("other-cpu", "")
  cache-to   = cache("other-cpu", ",mode=max")
}
