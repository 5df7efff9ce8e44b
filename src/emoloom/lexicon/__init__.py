"""Valence, arousal and dominance estimated from word norms."""
