from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from emoloom.assets import convert
from emoloom.assets.convert import convert_gguf
from emoloom.assets.gguf_header import gguf_licence, read_header
from emoloom.errors import EmoLoomError

from .conftest import HIDDEN, VOCABULARY, write_llama

TOKENS = torch.tensor([[5, 77, 130, 9, 200]])


@pytest.fixture(scope="module")
def converted(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    convert_gguf(tiny_gguf, folder)
    return folder


def test_nothing_is_drawn(tiny_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert_gguf(tiny_gguf, tmp_path)
    assert capsys.readouterr() == ("", "")


def test_reload_gives_the_logits_of_the_gguf_bit_for_bit(converted: Path, tiny_gguf: Path) -> None:
    quantized = AutoModelForCausalLM.from_pretrained(tiny_gguf.parent, gguf_file=tiny_gguf.name, dtype=torch.float32)
    reloaded = AutoModelForCausalLM.from_pretrained(converted)
    with torch.inference_mode():
        assert torch.equal(quantized(TOKENS).logits, reloaded(TOKENS).logits)


def test_quantized_weights_are_what_gguf_says(converted: Path, tiny_gguf: Path) -> None:
    down = next(t for t in gguf.GGUFReader(tiny_gguf).tensors if t.name == "blk.0.ffn_down.weight")
    expected = torch.from_numpy(gguf.dequantize(down.data, down.tensor_type).copy())
    weights = load_file(converted / "model.safetensors")
    assert torch.equal(weights["model.layers.0.mlp.down_proj.weight"], expected)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_converted_model_trains_and_saves(converted: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(converted)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = model(input_ids=TOKENS, labels=TOKENS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    model.save_pretrained(tmp_path)


def test_tokenizer_keeps_special_tokens_and_chat_template(converted: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hé"}], tokenize=False) == "hé"
    ids = tokenizer("abé", add_special_tokens=False).input_ids
    assert ids[0] == VOCABULARY - 1
    assert tokenizer.decode(ids) == "abé"


def test_differing_reload_is_refused(tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild = convert._rebuild

    def damaged(quantized: Any) -> Any:
        model = rebuild(quantized)
        with torch.no_grad():
            model.get_output_embeddings().weight[0, 0] += 1e-3
        return model

    monkeypatch.setattr(convert, "_rebuild", damaged)
    with pytest.raises(EmoLoomError, match="other logits"):
        convert_gguf(tiny_gguf, tmp_path)


@pytest.mark.parametrize("content", [b"", b"GGU", b"GGML" + bytes(100), b"\x80\x04pickle"])
def test_other_files_are_not_gguf(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(content)
    with pytest.raises(EmoLoomError, match="not a GGUF file") as caught:
        convert_gguf(file, tmp_path)
    assert caught.value.where == str(file)


@pytest.mark.parametrize("kept", [4, 8, 24, 100, 3000, -1])
def test_truncated_gguf_is_refused(tiny_gguf: Path, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(tiny_gguf.read_bytes()[:kept])
    with pytest.raises(EmoLoomError, match="cannot be read") as caught:
        convert_gguf(file, tmp_path)
    assert caught.value.where == str(file)


def test_damaged_lengths_are_refused_rather_than_followed(tiny_gguf: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    content = tiny_gguf.read_bytes()
    list_key = content.index(b"tokenizer.ggml.token_type") + len(b"tokenizer.ggml.token_type")
    length = list_key + 4 + 4
    file.write_bytes(content[:length] + b"\xff" * 7 + b"\x0f" + content[length + 8 :])
    with pytest.raises(EmoLoomError, match="it ends early"):
        read_header(file)


def test_unsupported_architecture_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    write_llama(file, "cauldron")
    with pytest.raises(EmoLoomError, match="cauldron"):
        convert_gguf(file, tmp_path)


def test_gguf_without_tokens_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    content = tiny_gguf.read_bytes()
    file.write_bytes(content.replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenz"))
    with pytest.raises(EmoLoomError, match="cannot be read"):
        convert_gguf(file, tmp_path)


def test_licence_is_read_from_the_header(tiny_gguf: Path, tmp_path: Path) -> None:
    assert gguf_licence(tiny_gguf) == "mit"
    unstated = tmp_path / "x.gguf"
    unstated.write_bytes(tiny_gguf.read_bytes().replace(b"general.license", b"general.lisense"))
    assert gguf_licence(unstated) == "not stated"


def test_header_lists_every_tensor(tiny_gguf: Path) -> None:
    embedding = next(t for t in read_header(tiny_gguf).tensors if t.name == "token_embd.weight")
    assert embedding.data.shape == (VOCABULARY, HIDDEN)


def test_full_disk_is_an_os_error(tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", full)
    with pytest.raises(OSError, match="No space left"):
        convert_gguf(tiny_gguf, tmp_path)
