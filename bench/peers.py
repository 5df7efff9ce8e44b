"""What transformers and lm-evaluation-harness do with the same prompts and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from emoloom.model.load import MAX_NEW_TOKENS


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Mapping[int, Sequence[int]],
    *,
    eos: int,
    batch: int,
    use_cache: bool,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[int, list[int]]:
    """transformers' greedy ``generate`` over batches of alike length: the new tokens of each prompt, without ``eos``."""
    replies: dict[int, list[int]] = {}
    for members in _batches(prompts, batch):
        ids, mask = _padded([prompts[i] for i in members], eos)
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            use_cache=use_cache,
            max_new_tokens=max_new_tokens,
            eos_token_id=eos,
            pad_token_id=eos,
        )
        for i, row in zip(members, out[:, ids.shape[1] :].tolist(), strict=True):
            replies[i] = row[: row.index(eos)] if eos in row else row
    return replies


@torch.inference_mode()
def last_states(model: Any, prompts: Sequence[Sequence[int]], depth: int, *, eos: int, batch: int) -> torch.Tensor:
    """What leaves the layer ``depth`` at the last token of each prompt (n, H), by plain forwards, as far as to the logits, over
    batches of alike length."""
    states = torch.empty(len(prompts), model.config.hidden_size)
    for members in _batches(dict(enumerate(prompts)), batch):
        ids, mask = _padded([prompts[i] for i in members], eos)
        positions = (mask.cumsum(dim=-1) - 1).clamp_min(0)
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=1,
            output_hidden_states=True,
        )
        states[members] = out.hidden_states[depth][:, -1]
    return states


class Harness:
    """lm-evaluation-harness's model around ``model``, and its requests; it sorts them by length itself."""

    def __init__(self, model: Any, tokenizer: Any, texts: Sequence[str], *, batch: int) -> None:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM

        self._model = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch)
        settings = {"until": [tokenizer.eos_token], "max_gen_toks": MAX_NEW_TOKENS, "do_sample": False}
        self._requests = [
            Instance(request_type="generate_until", doc={}, arguments=(text, settings), idx=i)
            for i, text in enumerate(texts)
        ]

    def run(self) -> list[str]:
        """The continuation of each text."""
        replies: list[str] = self._model.generate_until(self._requests, disable_tqdm=True)
        return replies


def _batches(prompts: Mapping[int, Sequence[int]], size: int) -> Iterator[list[int]]:
    by_length = sorted(prompts, key=lambda i: len(prompts[i]))
    for start in range(0, len(by_length), size):
        yield by_length[start : start + size]


def _padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask (B, T), padded on the left."""
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask
