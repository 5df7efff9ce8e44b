"""Tiny models that load in milliseconds: random weights, a byte-level tokenizer, the real code path around them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
)

from emoloom.contract.prompt import instruction
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.load import Candidate, load_candidate, load_prompter
from emoloom.model.prompts import Prompter

END = 2
"""The end-of-sequence token."""
FIRST_BYTE = 4
"""Lower ids are control tokens."""
VOCABULARY = FIRST_BYTE + 256

CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)

# Multiples of 32 in the middle layer, as real models have: elementwise kernels treat what is left over in other bits.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "intermediate_size": 64},
    "qwen2": {"num_key_value_heads": 2, "intermediate_size": 64},
    "qwen3": {"num_key_value_heads": 2, "intermediate_size": 64, "head_dim": 16},
    "gemma3_text": {"num_key_value_heads": 1, "intermediate_size": 64, "head_dim": 16, "sliding_window": 64},
    "gpt2": {},
    "gpt_neox": {"intermediate_size": 64},
}

UNPACKABLE: dict[str, dict[str, Any]] = {
    "bloom": {},
    "lfm2": {"intermediate_size": 64, "num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]},
    # Capped at 50, as released: scores as small as a tiny model's hardly show it.
    "gemma2": {"intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 16},
    "mamba": {},
}
"""Their tokens mix outside of transformers' attention interface, or their attention has terms beside scores and mask."""


def make_tokenizer(*, chat: bool = True, merges: Sequence[tuple[str, str]] = ()) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: 256 bytes and four control tokens, then ``merges``."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|pad|>", "<|bos|>", "<|end|>", "<|start|>", *alphabet, *(left + right for left, right in merges)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<|pad|>", bos_token="<|bos|>", eos_token="<|end|>",
        additional_special_tokens=["<|start|>"],
    )  # fmt: skip
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def merges_for(pieces: Sequence[str]) -> list[tuple[str, str]]:
    """Merges that make one token of each of ``pieces``, built up from the left."""
    steps = [(piece[:end], piece[end]) for piece in pieces for end in range(1, len(piece))]
    return list(dict.fromkeys(steps))


def prompt_words() -> list[str]:
    """The words of the prompt, as a byte-level tokenizer has them."""
    return [f"Ġ{word}" for word in dict.fromkeys(re.findall("[A-Za-z]+", instruction(GOEMOTIONS)))]


def make_sentencepiece(pieces: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer as Llama 2 has it: a space before every text, unknown characters as bytes, ``pieces`` as one token each."""
    characters = ["▁", *map(chr, range(33, 127))]
    merges = merges_for(pieces)
    tokens = ["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256)), *characters]
    tokens += [left + right for left, right in merges]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def make_prompter(*, chat: bool = True, merges: Sequence[tuple[str, str]] = ()) -> Prompter:
    """The tokenizer behind the contract's prompt, as a candidate has it."""
    return Prompter(make_tokenizer(chat=chat, merges=merges), GOEMOTIONS, max_tokens=1024, max_new_tokens=64)


def make_model(
    folder: Path,
    architecture: str = "llama",
    *,
    seed: int = 0,
    chat: bool = True,
    merges: Sequence[tuple[str, str]] = (),
    **settings: object,
) -> Path:
    """Writes a random two-layer model of an architecture with its tokenizer; returns the folder.

    ``settings`` are laid over the configuration.
    """
    tokenizer = make_tokenizer(chat=chat, merges=merges)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "bos_token_id": 1,
        "eos_token_id": END,
        "pad_token_id": 0,
    }
    config = AutoConfig.for_model(
        architecture, **{**shape, **(ARCHITECTURES | UNPACKABLE).get(architecture, {}), **settings}
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        # Larger weights than a fresh initialisation has, so that arg-max is not decided by noise alone.
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() > 1 else 1.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def quick_model(folder: Path, architecture: str = "llama", *, seed: int = 0) -> Path:
    """:func:`make_model` with the prompt's words as tokens: the instruction is less than half as long, and read in a third of the
    time."""
    return make_model(folder, architecture, seed=seed, merges=merges_for(prompt_words()))


def load_tiny(folder: Path) -> Candidate:
    """The model in ``folder`` as a run loads it."""
    prompter = load_prompter("tiny", folder, GOEMOTIONS)
    return load_candidate("tiny", folder, prompter)


def load_eager(folder: Path, device: torch.device) -> Any:
    """The same weights with transformers' own attention, written out by its authors: the oracle."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.to(device).eval()


def draw(rng: random.Random, shortest: int, longest: int | None = None) -> list[int]:
    """Random text tokens, ``shortest`` of them or up to ``longest``; no control token."""
    length = rng.randint(shortest, longest or shortest)
    return [rng.randrange(FIRST_BYTE, VOCABULARY) for _ in range(length)]


def ask(text: str) -> Request:
    """A request about ``text``."""
    return Request(id="q", text=text)
