"""Loads a candidate's weights and tokenizer from a local folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from emoloom.contract.taxonomy import Taxonomy
from emoloom.errors import EmoLoomError
from emoloom.model.attention import NAME
from emoloom.model.prompts import Prompter

MAX_NEW_TOKENS = 64
"""Enough for three labels and twelve words; a longer reply is cut off and fails as ``truncated``."""
# A text beyond this many tokens says no more about its emotion and costs quadratically.
MAX_TOKENS = 1024


@dataclass(frozen=True)
class Candidate:
    """A loaded model with what is needed to talk to it.

    Attributes:
        name: the spec it was asked for by.
        model: float32 causal language model in evaluation mode, with the packed attention.
        prompter: its tokenizer behind the contract's prompt.
        parameters: how many weights it has.
    """

    name: str
    model: Any
    prompter: Prompter
    parameters: int

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self.model.device
        return device


def load_candidate(name: str, folder: Path, space: Taxonomy, *, trust_remote_code: bool = False) -> Candidate:
    """The model in ``folder`` (safetensors, config and tokenizer), in float32 on the best device of this machine.

    Raises:
        EmoLoomError: the folder cannot be loaded, or its context is too short for the prompt.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation=NAME,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EmoLoomError(
            f"cannot load the model: {str(error).splitlines()[0]}",
            where=name,
            remedy="It must be a causal language model with config.json, safetensors weights and a tokenizer.",
        ) from error
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    context = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
    prompter = Prompter(tokenizer, space, max_tokens=min(context, MAX_TOKENS), max_new_tokens=MAX_NEW_TOKENS)
    return Candidate(name, model, prompter, sum(p.numel() for p in model.parameters()))
