"""How a model is asked: replies written freely or under a grammar, or labels and VAD scored by fitted heads."""
