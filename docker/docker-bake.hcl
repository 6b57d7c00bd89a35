# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.
# All images: docker buildx bake -f docker/docker-bake.hcl, or `lockgen build`.

variable "REGISTRY" {
  default = "rajiup"
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
  default = "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"
}

function "tagged" {
  params = [image, variant]
  result = "${REGISTRY == "" ? "" : "${REGISTRY}/"}cp-whisperx-app-${image}:${variant}"
}

function "cache" {
  params = [name, more]
  result = CACHE == "" ? [] : ["type=registry,ref=${CACHE}/cp-whisperx-app:${name}${more}"]
}

function "filled" {
  params = [name]
  result = WHEELHOUSE == "" ? {} : { wheelhouse = "${WHEELHOUSE}/${name}" }
}

group "default" {
  targets = ["asr-cuda", "base-cpu", "base-cuda", "base-ml-cuda", "demux-cpu", "diarization-cuda", "lyrics-detection-cuda", "mux-cpu", "post-ner-cpu", "pre-ner-cpu", "pyannote-vad-cuda", "second-pass-translation-cuda", "silero-vad-cuda", "subtitle-gen-cpu", "tmdb-cpu"]
}

group "base" {
  targets = ["base-cpu", "base-cuda"]
}

group "all-cpu" {
  targets = ["base-cpu", "demux-cpu", "mux-cpu", "post-ner-cpu", "pre-ner-cpu", "subtitle-gen-cpu", "tmdb-cpu"]
}

group "all-cuda" {
  targets = ["asr-cuda", "base-cuda", "base-ml-cuda", "diarization-cuda", "lyrics-detection-cuda", "pyannote-vad-cuda", "second-pass-translation-cuda", "silero-vad-cuda"]
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
    "org.opencontainers.image.title"     = "cp-whisperx-app-base"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:ed71227e3fa017b5098e0d05f567dffcd83968124331ca2a415f2e6447049da9"
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
    PPA = "deadsnakes/ppa"
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
    PPA = "deadsnakes/ppa"
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
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-base"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:ed71227e3fa017b5098e0d05f567dffcd83968124331ca2a415f2e6447049da9"
  }
  cache-from = cache("base-cuda", "")
  cache-to   = cache("base-cuda", ",mode=max")
}

target "base-ml-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/base-ml/Dockerfile"
  target     = "image"
  tags       = [tagged("base-ml", "cuda")]
  contexts = merge({
    below = "target:base-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("base-ml-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cuda"
    PAGES      = WHEELHOUSE == "" ? "https://download.pytorch.org/whl/cu121/torch/ https://download.pytorch.org/whl/cu121/torchaudio/" : ""
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-base-ml"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:66c2e78be2e183940cc42d4321dedb040858fe52eb7340762ee07d51896ea295"
  }
  cache-from = cache("base-ml-cuda", "")
  cache-to   = cache("base-ml-cuda", ",mode=max")
}

target "asr-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/asr/Dockerfile"
  target     = "image"
  tags       = [tagged("asr", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("asr-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-asr"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:ca55e9fbce1c66713856c180633cdfd2e5f77f5c3a6fb854b8bfd273cc13706c"
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
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-demux"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:ed71227e3fa017b5098e0d05f567dffcd83968124331ca2a415f2e6447049da9"
  }
  cache-from = cache("demux-cpu", "")
  cache-to   = cache("demux-cpu", ",mode=max")
}

target "diarization-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/diarization/Dockerfile"
  target     = "image"
  tags       = [tagged("diarization", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("diarization-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-diarization"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:4d9358c33625f195743c9a31dfd7fe89851f0088a83ef74693f8c0ac479282b3"
  }
  cache-from = cache("diarization-cuda", "")
  cache-to   = cache("diarization-cuda", ",mode=max")
}

target "lyrics-detection-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/lyrics-detection/Dockerfile"
  target     = "image"
  tags       = [tagged("lyrics-detection", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("lyrics-detection-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-lyrics-detection"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:66c2e78be2e183940cc42d4321dedb040858fe52eb7340762ee07d51896ea295"
  }
  cache-from = cache("lyrics-detection-cuda", "")
  cache-to   = cache("lyrics-detection-cuda", ",mode=max")
}

target "mux-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/mux/Dockerfile"
  target     = "image"
  tags       = [tagged("mux", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("mux-cpu"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-mux"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:ed71227e3fa017b5098e0d05f567dffcd83968124331ca2a415f2e6447049da9"
  }
  cache-from = cache("mux-cpu", "")
  cache-to   = cache("mux-cpu", ",mode=max")
}

target "post-ner-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/post-ner/Dockerfile"
  target     = "image"
  tags       = [tagged("post-ner", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("post-ner-cpu"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-post-ner"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:a4aaf638734668d866431216e446885306c596641d82905ab484619b6346837d"
  }
  cache-from = cache("post-ner-cpu", "")
  cache-to   = cache("post-ner-cpu", ",mode=max")
}

target "pre-ner-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/pre-ner/Dockerfile"
  target     = "image"
  tags       = [tagged("pre-ner", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("pre-ner-cpu"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-pre-ner"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:99dfeb8cf819af3f832fd9aaedc69fc1a71b27106b0b5842c69032e8e5a7f659"
  }
  cache-from = cache("pre-ner-cpu", "")
  cache-to   = cache("pre-ner-cpu", ",mode=max")
}

target "pyannote-vad-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/pyannote-vad/Dockerfile"
  target     = "image"
  tags       = [tagged("pyannote-vad", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("pyannote-vad-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-pyannote-vad"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:98c78ecd685459f0224e4582e6ccdf0fe49e45a5b867475b195323835c91e818"
  }
  cache-from = cache("pyannote-vad-cuda", "")
  cache-to   = cache("pyannote-vad-cuda", ",mode=max")
}

target "second-pass-translation-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/second-pass-translation/Dockerfile"
  target     = "image"
  tags       = [tagged("second-pass-translation", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("second-pass-translation-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-second-pass-translation"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:de3a6354e61934ec53b9f5d3c6086894c0126c6a0b437eb7245e8d9f57e1a3a5"
  }
  cache-from = cache("second-pass-translation-cuda", "")
  cache-to   = cache("second-pass-translation-cuda", ",mode=max")
}

target "silero-vad-cuda" {
  inherits   = ["_image"]
  dockerfile = "docker/silero-vad/Dockerfile"
  target     = "image"
  tags       = [tagged("silero-vad", "cuda")]
  contexts = merge({
    below = "target:base-ml-cuda"
    tools = "target:_base-cuda-tools"
  }, filled("silero-vad-cuda"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base-ml:cuda"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
    PPA = "deadsnakes/ppa"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-silero-vad"
    "org.opencontainers.image.version"   = "cuda"
    "org.opencontainers.image.base.name" = BASE_CUDA
    "dev.lockgen.lock"                   = "sha256:66c2e78be2e183940cc42d4321dedb040858fe52eb7340762ee07d51896ea295"
  }
  cache-from = cache("silero-vad-cuda", "")
  cache-to   = cache("silero-vad-cuda", ",mode=max")
}

target "subtitle-gen-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/subtitle-gen/Dockerfile"
  target     = "image"
  tags       = [tagged("subtitle-gen", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("subtitle-gen-cpu"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-subtitle-gen"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:1fbe61007a76ff49d9ed448bcec7a5d3b6e9584c5aa923d5eb62bd441bdfe224"
  }
  cache-from = cache("subtitle-gen-cpu", "")
  cache-to   = cache("subtitle-gen-cpu", ",mode=max")
}

target "tmdb-cpu" {
  inherits   = ["_image"]
  dockerfile = "docker/tmdb/Dockerfile"
  target     = "image"
  tags       = [tagged("tmdb", "cpu")]
  contexts = merge({
    below = "target:base-cpu"
    tools = "target:_base-cpu-tools"
  }, filled("tmdb-cpu"))
  args = {
    BASE_IMAGE = "rajiup/cp-whisperx-app-base:cpu"
    SOURCES    = WHEELHOUSE == "" ? "" : "--no-index --find-links /wheelhouse"
  }
  labels = {
    "org.opencontainers.image.title"     = "cp-whisperx-app-tmdb"
    "org.opencontainers.image.version"   = "cpu"
    "org.opencontainers.image.base.name" = BASE_CPU
    "dev.lockgen.lock"                   = "sha256:b9dc5d1004f626de2569c357a8d4720332dc0906d9de864cfe6b9337edcd090b"
  }
  cache-from = cache("tmdb-cpu", "")
  cache-to   = cache("tmdb-cpu", ",mode=max")
}
