"""What a run found, for people: a table on the terminal and a page. Reads the run's folder, never a model."""
