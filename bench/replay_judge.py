"""Judge whether an environment works: `python replay_judge.py` uses what is installed, and prints the results as JSON.

It is independent of lockgen: it runs in the environment of an image, imports nothing of lockgen, and `lockgen update`
does not know it. It downloads nothing: models are built from a configuration, and sounds are generated.
"""

# The libraries that this program uses are those of the environment that it judges.
# mypy: ignore-errors

from __future__ import annotations

import importlib.metadata
import io
import json
import math
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

RATE = 16_000
Check = Callable[[], None]
CHECKS: dict[Check, tuple[str, ...]] = {}
"""The checks, each with the distributions that it needs."""


def needs(*distributions: str) -> Callable[[Check], Check]:
    """Run a check only where all ``distributions`` are installed."""

    def register(check: Check) -> Check:
        CHECKS[check] = distributions
        return check

    return register


def tone(seconds: float = 0.5):
    """A sound of 440 Hz."""
    import numpy

    return numpy.sin(2 * math.pi * 440 * numpy.arange(int(RATE * seconds)) / RATE).astype("float32")


@needs("transformers", "torch")
def bert_runs() -> None:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    answer = BertModel(config).eval()(input_ids=torch.tensor([[1, 2, 3]]))
    assert answer.last_hidden_state.shape == (1, 3, 16)


@needs("transformers", "torch")
def whisper_generates() -> None:
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = WhisperConfig(
        vocab_size=60, max_source_positions=50, max_target_positions=20, suppress_tokens=[], begin_suppress_tokens=[],
        **sizes, **heads, **tokens,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config).eval()
    features = torch.rand(1, config.num_mel_bins, 100)
    logits = model(input_features=features, decoder_input_ids=torch.tensor([[1, 3]])).logits
    assert logits.shape == (1, 2, 60)
    assert model.generate(input_features=features, max_new_tokens=3).shape[0] == 1


@needs("transformers", "tokenizers")
def tokenizer_encodes() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"[UNK]": 0, "two": 1, "words": 2}, unk_token="[UNK]"))  # noqa: S106  # not a password
    words.pre_tokenizer = Whitespace()
    assert PreTrainedTokenizerFast(tokenizer_object=words)("two words")["input_ids"] == [1, 2]


@needs("spacy")
def spacy_splits_sentences() -> None:
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    assert len(list(pipeline("One sentence. Another one.").sents)) == 2


@needs("soundfile", "numpy")
def sound_is_written_and_read() -> None:
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tone.wav")
        soundfile.write(path, tone(), RATE)
        data, rate = soundfile.read(path)
    assert (len(data), rate) == (RATE // 2, RATE)


@needs("scipy", "numpy")
def scipy_resamples() -> None:
    from scipy.signal import resample_poly

    assert len(resample_poly(tone(), 1, 2)) == RATE // 4


@needs("librosa")
def librosa_resamples() -> None:
    import librosa

    with tempfile.TemporaryDirectory() as folder:
        import soundfile

        path = os.path.join(folder, "tone.wav")
        soundfile.write(path, tone(), RATE)
        data, _ = librosa.load(path, sr=RATE // 2)
    assert len(data) == RATE // 4
    assert librosa.feature.melspectrogram(y=data, sr=RATE // 2, n_mels=8).shape[0] == 8


@needs("torchaudio")
def torchaudio_resamples() -> None:
    import torch
    import torchaudio

    data = torchaudio.functional.resample(torch.from_numpy(tone())[None], RATE, RATE // 2)
    assert data.shape == (1, RATE // 4)


@needs("ctranslate2")
def ctranslate2_holds_an_array() -> None:
    import ctranslate2
    import numpy

    view = ctranslate2.StorageView.from_array(numpy.ones((2, 3), dtype="float32"))
    assert view.shape == [2, 3]
    assert "float32" in ctranslate2.get_supported_compute_types("cpu")


@needs("faster-whisper")
def faster_whisper_finds_speech() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor
    from faster_whisper.vad import get_speech_timestamps

    assert FeatureExtractor()(tone()).shape[0] == 80
    assert get_speech_timestamps(tone() * 0) == []


@needs("whisperx")
def whisperx_reads_sound() -> None:
    import whisperx.asr
    import whisperx.diarize  # noqa: F401  # it imports what the other one does not
    from whisperx.audio import log_mel_spectrogram

    assert log_mel_spectrogram(tone(), 80).shape[0] == 80


@needs("pyannote-audio", "torch")
def pyannote_builds_a_model() -> None:
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    model = PyanNet(sample_rate=RATE, num_channels=1)
    model.specifications = Specifications(
        problem=Problem.MULTI_LABEL_CLASSIFICATION, resolution=Resolution.FRAME, duration=1.0, classes=["a", "b"]
    )
    model.build()
    assert model.eval()(torch.rand(1, 1, RATE)).shape[-1] == 2


@needs("pyannote-metrics")
def pyannote_measures() -> None:
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    spoken = Annotation()
    spoken[Segment(0, 1)] = "ada"
    assert DiarizationErrorRate()(spoken, spoken) == 0


@needs("speechbrain", "torch")
def speechbrain_computes_features() -> None:
    import torch
    from speechbrain.lobes.features import Fbank

    assert Fbank(n_mels=8)(torch.rand(1, RATE)).shape[-1] == 8


@needs("pytorch-lightning", "torchmetrics")
def lightning_trains() -> None:
    import pytorch_lightning
    import torch
    import torchmetrics

    class Line(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.mean = torchmetrics.MeanMetric()

        def training_step(self, batch, _):
            loss = self.layer(batch).mean()
            self.mean(loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    with tempfile.TemporaryDirectory() as folder:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = pytorch_lightning.Trainer(
            max_steps=1, accelerator="cpu", default_root_dir=folder, enable_model_summary=False, **quiet
        )
        trainer.fit(Line(), torch.utils.data.DataLoader(torch.ones(2, 1)))
    assert trainer.global_step == 1


@needs("sentencepiece")
def sentencepiece_trains() -> None:
    import sentencepiece

    made = io.BytesIO()
    lines = iter(["one two three four five six seven"] * 20)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=made, vocab_size=20, model_type="char", minloglevel=2
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    assert model.decode(model.encode("one two")) == "one two"


@needs("protobuf")
def protobuf_packs() -> None:
    from google.protobuf.struct_pb2 import Struct

    one, other = Struct(), Struct()
    one["answer"] = 42
    other.ParseFromString(one.SerializeToString())
    assert other["answer"] == 42


@needs("huggingface-hub")
def hub_builds_an_address() -> None:
    from huggingface_hub import hf_hub_url

    assert hf_hub_url("owner/model", "config.json").endswith("owner/model/resolve/main/config.json")


@needs("rapidfuzz")
def rapidfuzz_compares() -> None:
    from rapidfuzz import fuzz

    assert fuzz.ratio("same", "same") == 100


@needs("pysubs2")
def pysubs2_writes_subtitles() -> None:
    import pysubs2

    file = pysubs2.SSAFile()
    file.append(pysubs2.SSAEvent(start=0, end=1000, text="words"))
    assert "words" in file.to_string("srt")


def installed() -> set[str]:
    """The normalized names of all distributions."""
    found = importlib.metadata.distributions()
    return {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower() for one in found}


def result(check: Check) -> str:
    """What is wrong; "" if nothing is."""
    try:
        check()
    # A broken library may even raise SystemExit.
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:300]
        return f"{type(error).__name__}: {text} ({Path(frame.filename).name})"
    return ""


def main() -> None:
    """Print {CHECK: what is wrong, "" for nothing} for all checks that the environment allows."""
    there = installed()
    # Libraries print to stdout: the result must be alone there.
    answer, sys.stdout = sys.stdout, sys.stderr
    found = {check.__name__: result(check) for check, wanted in CHECKS.items() if there.issuperset(wanted)}
    print(json.dumps(found), file=answer, flush=True)
    # Threads of libraries must not keep the process alive.
    os._exit(0)


if __name__ == "__main__":
    main()
