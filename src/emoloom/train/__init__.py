"""Fine-tuning on the contract: records to batches, one file a loss, the loop, checkpoints, adapters."""
