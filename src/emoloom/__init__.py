"""EmoLoom: which small language model to fine-tune for joint emotion and valence-arousal-dominance prediction."""

__version__ = "0.1.0"
