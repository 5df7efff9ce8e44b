"""Scores of those that label the training records: the lexicon, and the appraisal verifier, which is built here."""
