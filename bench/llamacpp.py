"""llama.cpp on the same float32 weights, written into a GGUF file for it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import torch

from emoloom.model.load import MAX_NEW_TOKENS

_CONTEXT, _BATCH = 1024, 512


def load(model: Any, tokenizer: Any) -> Any:
    """The model in llama.cpp's memory, on as many threads as torch has."""
    from llama_cpp import Llama

    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        _write(model, tokenizer, path)
        return Llama(
            str(path),
            n_ctx=_CONTEXT,
            n_batch=_BATCH,
            n_threads=threads,
            n_threads_batch=threads,
            use_mmap=False,
            verbose=False,
        )


def reply(llama: Any, prompt: Sequence[int], eos: int) -> list[int]:
    """The greedy reply without ``eos``. llama.cpp keeps what the prompt shares with the one before in its cache."""
    tokens: list[int] = []
    for token in llama.generate(list(prompt), temp=0.0, repeat_penalty=1.0):
        if token == eos or len(tokens) == MAX_NEW_TOKENS:
            break
        tokens.append(token)
    return tokens


def _write(model: Any, tokenizer: Any, path: Path) -> None:
    """A Llama-like ``model`` with tied embeddings in GGUF's layout, which pairs the halves of a rotary dimension."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    _write_vocabulary(writer, tokenizer, config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, parameter in model.named_parameters():
        values = parameter.detach()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            rows, columns = values.shape
            values = values.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)
        writer.add_tensor(f"{names.get_name(name.removesuffix('.weight'))}.weight", values.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Any, size: int) -> None:
    """Enough of a byte-level vocabulary for llama.cpp to load: prompts come as tokens."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(size)))
    writer.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in range(size)])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in spec["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
