"""Light heads beside the language model's own: log-odds of labels and VAD, read where the first label is about to be written.

Training moves :class:`Heads` with the model (``L_cls``, ``L_reg``) and leaves them beside the adapter; the ``scored`` readout
fits :class:`LinearHeads` of its own to the finished model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import layer_norm

from emoloom.model.labelling import among_labels
from emoloom.model.tensors import damaged, read_tensors, write_tensors

FILE = "heads.safetensors"
"""Where heads lie in their folder."""
_AXES = 3
# A probability of 1 has no odds.
_SUREST = -1e-4


class LinearHeads(torch.nn.Module):
    """Log-odds of L labels and VAD as linear maps of normalised hidden states of H numbers, VAD through a sigmoid; all zero at
    first, so that no random number is drawn."""

    def __init__(self, size: int, labels: int) -> None:
        super().__init__()
        self.label = torch.nn.Linear(size, labels)
        self.vad = torch.nn.Linear(size, _AXES)
        for parameter in self.parameters():
            torch.nn.init.zeros_(parameter)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-odds (B, L) and VAD (B, 3) in [0, 1] from hidden states (B, H)."""
        # Models differ in the scale of their hidden states by orders of magnitude; a learning rate must suit all.
        normal = layer_norm(states.float(), states.shape[-1:])
        return self.label(normal), self.vad(normal).sigmoid()


class Heads(torch.nn.Module):
    r"""Log-odds of labels and VAD from the place where the first label is about to be written.

    With h the normalised hidden state there and :math:`q_l` the model's own probability of writing label l, given that it writes
    one, the log-odds of label l are :math:`w_l \cdot h + b_l + s \log\frac{q_l}{1 - q_l}`: what the model is about to write is
    the best single predictor. s begins at 1, so that the first log-odds are the model's own. No gradient goes through q: a loss
    on log-odds would take probability from labels and give it to words that are none.

    Args:
        size: width H of the hidden states.
        log_shares: (L,) of labels that begin alike (:meth:`~emoloom.model.labelling.FirstLabel.log_shares`).
    """

    log_shares: torch.Tensor

    def __init__(self, size: int, log_shares: Sequence[float]) -> None:
        super().__init__()
        self.linear = LinearHeads(size, len(log_shares))
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("log_shares", torch.tensor(log_shares))

    def forward(self, states: torch.Tensor, log_probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-odds of the labels (B, L) and VAD (B, 3) in [0, 1], from hidden states (B, H) and the log probabilities (B, L) of
        the tokens that begin the labels."""
        own = among_labels(log_probabilities.detach(), self.log_shares).clamp_max(_SUREST)
        odds = own - torch.log(-torch.expm1(own))
        log_odds, vad = self.linear(states)
        return log_odds + self.scale * odds, vad


def save_heads(heads: Heads | LinearHeads, folder: Path) -> None:
    """Writes the heads into a folder, atomically."""
    write_tensors(folder / FILE, heads.state_dict())


def load_heads(folder: Path) -> LinearHeads:
    """The heads that were fitted to a finished model, from their folder.

    Raises:
        EmoLoomError: there are none, or the file is damaged.
    """
    path = folder / FILE
    state = read_tensors(path, "heads")
    try:
        labels, size = state["label.weight"].shape
        heads = LinearHeads(size, labels)
        heads.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(path, "heads", str(error)) from error
    return heads.eval()
