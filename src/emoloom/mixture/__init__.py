"""What is trained on, and how often: mirrored records, and the order in which sources are drawn."""
