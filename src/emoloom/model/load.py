"""Loads a candidate's weights and tokenizer from a local folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from emoloom.contract.taxonomy import Taxonomy
from emoloom.errors import CandidateError
from emoloom.model.attention import NAME
from emoloom.model.forward import is_packed, packed_logits
from emoloom.model.packing import pack
from emoloom.model.prompts import Prompter

MAX_NEW_TOKENS = 64
"""Enough for three labels and twelve words; a longer reply is cut off and fails as ``truncated``."""
# Relative to the largest logit; float32 noise is a thousand times smaller, an unsupported architecture's gap larger.
_LOGIT_TOLERANCE = 1e-3
# As its authors wrote it out; kernels leave parts such as Gemma 2's capped logits out.
_OWN = "eager"
# A text beyond this many tokens says no more about its emotion and costs quadratically.
MAX_TOKENS = 1024


@dataclass(frozen=True)
class Candidate:
    """A loaded model with what is needed to talk to it.

    Attributes:
        name: the spec it was asked for by.
        model: causal language model in evaluation mode, with the packed attention where it can be packed.
        prompter: its tokenizer behind the contract's prompt.
        parameters: how many weights it has.
        unpacked: why it cannot be packed, so that every text takes a forward of its own; None where it can.
    """

    name: str
    model: Any
    prompter: Prompter
    parameters: int
    unpacked: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self.model.device
        return device


def load_prompter(name: str, folder: Path, space: Taxonomy, *, trust_remote_code: bool = False) -> Prompter:
    """The tokenizer in ``folder`` behind the contract's prompt, after a look at whether the model itself can be loaded.

    Raises:
        EmoLoomError: it is no causal language model that transformers knows, or its context is too short for the prompt.
    """
    with _loading(name):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        if not trust_remote_code and type(config) not in AutoModelForCausalLM._model_mapping:
            raise ValueError(f"{config.model_type} is not a causal language model")
        ends = _ends(folder, config)
    context = getattr(config, "max_position_embeddings", None) or MAX_TOKENS
    return Prompter(
        tokenizer,
        space,
        max_tokens=min(context, MAX_TOKENS),
        max_new_tokens=MAX_NEW_TOKENS,
        ends=ends,
    )


def _ends(folder: Path, config: Any) -> list[int]:
    """The tokens at which the model's settings for generation, or else its own, end a reply."""
    known = [config, config.get_text_config()]
    if (folder / "generation_config.json").exists():
        known.insert(0, GenerationConfig.from_pretrained(folder))
    ends: Any = next((end for one in known if (end := getattr(one, "eos_token_id", None)) is not None), [])
    return ends if isinstance(ends, list) else [ends]


def load_candidate(
    name: str, folder: Path, prompter: Prompter, *, dtype: str = "float32", trust_remote_code: bool = False
) -> Candidate:
    """The model in ``folder`` on the best device of this machine.

    Args:
        dtype: ``float32`` or ``bfloat16``, of its weights and activations.

    Raises:
        CandidateError: the weights cannot be loaded.
    """
    with _loading(name):
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation=_OWN,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        if lacking := sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"]):
            raise ValueError(f"the weights lack or misfit {lacking[0]}")
        unpacked = _try_packing(model)
        # Only now: whether it can be packed shows in float32. Buffers stay in it: rotary frequencies would lose whole turns.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(getattr(torch, dtype))
        model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        with torch.inference_mode():
            # Some models cannot compute in bfloat16.
            packed_logits(model, pack([], [[1, 2]], model.device), [1])
    return Candidate(name, model, prompter, sum(p.numel() for p in model.parameters()), unpacked)


@torch.inference_mode()
def _try_packing(model: Any) -> str | None:
    """Gives the model the packed attention, unless its tokens mix outside of attention or its attention has parts that the packed
    one lacks: packed with a neighbour, a sequence must have the logits that the model gives it alone.

    Returns:
        Why it cannot be packed; None where it is.

    Raises:
        ValueError: not even one by one have sequences these logits, since they depend on tokens to come.
    """
    config = model.config.get_text_config()
    # Beyond the window, if texts can be: who slides it through a mask alone would see everything when packed.
    window = getattr(config, "sliding_window", None) or 0
    length = 40 + (window if window < MAX_TOKENS else 0)
    tokens = torch.arange(1, length + 1) % config.vocab_size
    alone = model(input_ids=tokens[None], use_cache=False).logits[0]
    model.set_attn_implementation(NAME)
    reason = _misfit(model, tokens, alone) if is_packed(model) else "transformers cannot replace its attention"
    if reason is None:
        return None
    model.set_attn_implementation(_OWN)
    if _misfit(model, tokens, alone):
        raise ValueError("its logits depend on tokens that come after")
    return f"{model.config.model_type} models cannot be packed: {reason}"


def _misfit(model: Any, tokens: torch.Tensor, alone: torch.Tensor) -> str | None:
    """How the logits of ``tokens`` (N,) beside their own beginning differ from those ``alone`` (N, V); None where they do not."""
    begun = 24
    beside = pack([], [tokens[:begun].tolist(), tokens.tolist()], torch.device("cpu"))
    places = [5, begun - 1, 2, begun, len(tokens) - 1]
    rows = [*places[:2], *(begun + place for place in places[2:])]
    try:
        gap = (packed_logits(model, beside, rows) - alone[places]).abs().max() / alone.abs().max().clamp_min(1.0)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None if gap < _LOGIT_TOLERANCE else f"logits change by {gap:.1e} beside a neighbour"


@contextlib.contextmanager
def _loading(name: str) -> Iterator[None]:
    transformers.logging.disable_progress_bar()
    verbosity = transformers.logging.get_verbosity()
    # What matters of its warnings is said by errors here.
    transformers.logging.set_verbosity_error()
    try:
        yield
    except Exception as error:
        # The folder is somebody else's, and what the libraries raise over it has no type in common.
        raise CandidateError(
            f"cannot load the model: {(str(error).splitlines() or [''])[0]} ({type(error).__name__})",
            where=name,
            remedy="It must be a causal language model with config.json, safetensors weights and a tokenizer.",
        ) from error
    finally:
        transformers.logging.set_verbosity(verbosity)
