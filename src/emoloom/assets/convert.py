"""A quantized GGUF file becomes a trainable float32 folder, once."""

from __future__ import annotations

from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoloom.assets.gguf_header import read_header, readable
from emoloom.errors import EmoLoomError

if TYPE_CHECKING:
    from torch import Tensor

_PROBE_LENGTH = 16


def converter_version() -> str:
    """The converter and the libraries that decide its output."""
    return f"gguf-to-float32 1 (transformers {version('transformers')}, gguf {version('gguf')})"


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write config, float32 safetensors, tokenizer and chat template of a GGUF file into `folder`.

    The GGUF file must lie in a folder of its own: transformers would mix a neighbour's tokenizer files in.
    The written model gives bit-equal logits to the one read from the GGUF file.

    Raises:
        EmoLoomError: the file is damaged or its architecture unsupported, or the written model differs.
        OSError: the folder cannot be written.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    # Its bars come one line a step where the output is no terminal.
    logging.disable_progress_bar()
    read_header(gguf)
    # One bar is drawn whatever the setting; what goes wrong is raised, not printed.
    with readable(gguf), redirect_stderr(StringIO()):
        quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    trainable = _rebuild(quantized)
    try:
        trainable.save_pretrained(folder)
    except SafetensorError as error:
        raise OSError(f"the weights cannot be saved: {error}") from error
    tokenizer.save_pretrained(folder)
    reloaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if not torch.equal(_probe_logits(quantized), _probe_logits(reloaded)):
        raise EmoLoomError(
            "the converted model gives other logits than the GGUF file", where=gguf.name, remedy="Please report it."
        )


def _rebuild(quantized: Any) -> Any:
    """The same weights in a fresh model: one that was read from GGUF can be neither saved nor trained."""
    from transformers import AutoModelForCausalLM

    config = quantized.config
    del config.quantization_config
    trainable = AutoModelForCausalLM.from_config(config, dtype=quantized.dtype)
    trainable.load_state_dict(quantized.state_dict())
    trainable.generation_config = quantized.generation_config
    return trainable


def _probe_logits(model: Any) -> Tensor:
    """Logits (1, 16, vocabulary) for the first token ids."""
    import torch

    with torch.inference_mode():
        logits: Tensor = model.eval()(torch.arange(_PROBE_LENGTH)[None] % model.config.vocab_size).logits
    return logits
