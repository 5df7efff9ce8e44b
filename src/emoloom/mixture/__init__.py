"""What training data is mixed from: mirrored records beside those of the corpora."""
