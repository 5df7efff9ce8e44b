"""What lies on disk: atomic files, content hashes, the hash-chained journal, run folders. Nothing here knows a model."""
