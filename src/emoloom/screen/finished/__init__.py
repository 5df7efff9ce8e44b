"""A finished run taken up again: its models reopened, its replies decoded anew, two runs of one plan compared."""
