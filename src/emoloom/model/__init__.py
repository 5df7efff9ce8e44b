"""A candidate as torch sees it: loading, prompts as tokens, and the packed forward that training and decoding share."""
