"""What a plan will take in time and memory, measured first, and the budget that cuts it and stops it."""
