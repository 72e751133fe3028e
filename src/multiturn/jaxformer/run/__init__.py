"""The training loop: prefetch, checkpoints, resume, loss spikes, validation, metrics."""
