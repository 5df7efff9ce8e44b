"""Models and lexicons by name: pinned, checked against their checksums, kept in a cache."""
