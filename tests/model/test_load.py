"""What can be wrong with a model folder, each with one line that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests import tiny
from transformers import AttentionInterface

from emoloom.errors import EmoLoomError
from emoloom.model.attention import NAME, packed_attention
from emoloom.model.load import MAX_NEW_TOKENS, MAX_TOKENS
from emoloom.model.packing import ALIGN

Damage = Callable[[Path], None]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A model folder to damage."""
    return shutil.copytree(whole, tmp_path / "model")


def configure(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    without_weights(folder)


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def garbled(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def reweighted(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def one_tensor_missing(folder: Path) -> None:
    reweighted(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))


def one_layer_missing(folder: Path) -> None:
    configure(folder, num_hidden_layers=3)


def weights_of_another_architecture(folder: Path) -> None:
    configure(folder, model_type="gpt_neox")


def one_tensor_of_another_shape(folder: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    reweighted(folder, lambda weights: weights.update({name: weights[name][:, :5].contiguous()}))


def not_causal(folder: Path) -> None:
    configure(folder, model_type="t5")


def unknown_architecture(folder: Path) -> None:
    configure(folder, model_type="abacus")


def padded_beyond_its_words(folder: Path) -> None:
    configure(folder, pad_token_id=json.loads((folder / "config.json").read_text())["vocab_size"])


def without_heads(folder: Path) -> None:
    configure(folder, num_attention_heads=0)


def remote_code(folder: Path) -> None:
    configure(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def wrong_type_in_config(folder: Path) -> None:
    configure(folder, hidden_size="wide")


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"added_tokens": [], "model": {"type": "Abacus"}}')


def test_a_model_that_reads_to_the_right_is_refused(tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path, "bert", intermediate_size=64)
    with pytest.raises(EmoLoomError, match="its logits depend on tokens that come after"):
        tiny.load_tiny(folder)


def test_a_window_that_a_mask_alone_slides_is_noticed(tmp_path: Path) -> None:
    def windowless(*arguments: Any, **others: Any) -> Any:
        return packed_attention(*arguments, **{**others, "sliding_window": None})

    folder = tiny.make_model(tmp_path, "mistral", num_key_value_heads=2, intermediate_size=64, sliding_window=100)
    assert tiny.load_tiny(folder).unpacked is None
    AttentionInterface.register(NAME, windowless)
    try:
        assert "beside a neighbour" in str(tiny.load_tiny(folder).unpacked)
    finally:
        AttentionInterface.register(NAME, packed_attention)


@pytest.mark.parametrize(
    ("own", "ends", "expected"),
    [
        ("<|bos|>", [1, tiny.END], tiny.END),
        ("<|bos|>", tiny.END, tiny.END),
        ("<|bos|>", 3, 1),
        (None, 3, 3),
        # Where there are none, the model's own configuration says it.
        (None, None, tiny.END),
    ],
)
def test_what_ends_a_reply_is_read_from_the_models_settings(
    folder: Path, own: str | None, ends: Any, expected: int
) -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.eos_token = own
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({} if ends is None else {"eos_token_id": ends}))
    prompter = tiny.load_tiny(folder).prompter
    assert prompter.eos == expected
    assert (prompter.digest == tiny.make_prompter().digest) == (expected == prompter.tokenizer.eos_token_id)


def test_whole_model_is_loaded_as_it_is(folder: Path) -> None:
    candidate = tiny.load_tiny(folder)
    stored = load_file(folder / "model.safetensors")
    assert candidate.parameters == sum(tensor.numel() for tensor in stored.values())
    for name, parameter in candidate.model.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter.cpu(), stored[name])
    assert not candidate.model.training
    assert candidate.model.config._attn_implementation == NAME


@pytest.mark.parametrize(("context", "reach"), [(700, 700), (4096, MAX_TOKENS)])
def test_prompts_fit_the_context(folder: Path, context: int, reach: int) -> None:
    configure(folder, max_position_embeddings=context)
    prompter = tiny.load_tiny(folder).prompter
    # Longer than any context here.
    request = tiny.ask("a" * 5000)
    own = (reach - len(prompter.prefix)) // ALIGN * ALIGN
    assert len(prompter.encode(request).own) == own - MAX_NEW_TOKENS


def test_context_shorter_than_the_prompt_is_refused(folder: Path) -> None:
    configure(folder, max_position_embeddings=600)
    with pytest.raises(EmoLoomError, match="context of 600 tokens leaves"):
        tiny.load_tiny(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_weights, "no file named model.safetensors"),
        (pickled, "no file named model.safetensors"),
        (cut_short, "deserializing header"),
        (garbled, "deserializing header"),
        (not_causal, "t5 is not a causal language model"),
        (unknown_architecture, "abacus"),
        (remote_code, "custom code"),
        (padded_beyond_its_words, "Padding_idx"),
        (without_heads, "ZeroDivisionError"),
        (without_config, "config.json"),
        (broken_config, "config.json"),
        (without_tokenizer, "tokenizer"),
        (broken_tokenizer, "line 1"),
        (no_tokenizer, "did not match any variant"),
    ],
)
def test_damaged_folder_is_refused(folder: Path, damage: Damage, message: str) -> None:
    damage(folder)
    with pytest.raises(EmoLoomError, match=message) as caught:
        tiny.load_tiny(folder)
    assert str(caught.value).startswith("tiny: cannot load the model: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        [{"name": name, "template": tiny.CHAT_TEMPLATE} for name in ("rag", "tools")],
        "{{ 1 + messages[0].content }}",
        "{{ 1 // 0 }}",
        "{{ range(10**9) }}",
        "{{ '{x}'.format() }}",
    ],
)
def test_a_chat_template_that_cannot_be_used_is_refused(folder: Path, template: object) -> None:
    for file in folder.glob("*.jinja"):
        file.unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
    with pytest.raises(EmoLoomError, match="the chat template fails") as caught:
        tiny.load_tiny(folder)
    assert caught.value.where == str(folder)


@pytest.mark.parametrize(
    "damage",
    [
        one_tensor_missing,
        one_layer_missing,
        weights_of_another_architecture,
        one_tensor_of_another_shape,
        wrong_type_in_config,
    ],
)
def test_folder_that_does_not_fit_together_is_refused(folder: Path, damage: Damage) -> None:
    damage(folder)
    with pytest.raises(EmoLoomError, match="cannot load the model"):
        tiny.load_tiny(folder)
