"""The one contract that data, training and inference share: labels, records, the prompt, the reply and its parser."""
