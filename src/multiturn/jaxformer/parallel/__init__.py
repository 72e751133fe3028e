"""The device mesh, and distributed training."""
