"""Judges replies against gold records: label and VAD metrics, their bootstrap intervals, paired differences, the ranking."""
