"""KV-off greedy decoding: the plain loop that defines the result, and a fast one that returns the same tokens."""
