"""Names of well-known packages, to suggest the correct spelling of a misspelled one."""

from __future__ import annotations

_NAMES = """
accelerate aiohttp albumentations alembic asyncpg av beautifulsoup4 bitsandbytes boto3 celery certifi click
cryptography ctranslate2 cupy-cuda12x cython dask datasets diffusers django docker einops evaluate faiss-cpu fastapi
faster-whisper ffmpeg-python filelock flake8 flash-attn flask fsspec gradio grpcio gunicorn h5py httpx huggingface-hub
imageio ipython jinja2 joblib jsonschema jupyter keras kornia langchain librosa lightgbm lightning llvmlite lxml
matplotlib mlflow mypy networkx nltk numba numexpr numpy onnx onnxruntime onnxruntime-gpu openai openai-whisper
opencv-contrib-python opencv-python opencv-python-headless optimum orjson packaging pandas peft pillow pip
platformdirs polars protobuf psutil psycopg psycopg2-binary pyannote-audio pyarrow pydantic pydub pygments pymongo
pytest python-dateutil python-dotenv python-multipart pytorch-lightning pytz pyyaml ray redis regex requests rich ruff
s3fs sacremoses safetensors scikit-image scikit-learn scipy seaborn sentence-transformers sentencepiece sentry-sdk
setuptools six soundfile spacy speechbrain sqlalchemy statsmodels streamlit sympy tensorboard tensorflow timm
tokenizers torch torchaudio torchmetrics torchvision tqdm transformers triton typer typing-extensions ujson urllib3
uvicorn vllm wandb websockets werkzeug wheel whisperx xformers xgboost yt-dlp
"""

POPULAR = frozenset(_NAMES.split())

ALIASES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "ffmpeg": "ffmpeg-python",
    "opencv": "opencv-python-headless",
    "pil": "pillow",
    "pytorch": "torch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "whisper": "openai-whisper",
    "yaml": "pyyaml",
}
"""Packages by a name that people know them by, often that of their module."""
