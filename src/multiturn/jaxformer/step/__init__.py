"""One training step: loss, gradient accumulation, optimizer and state."""
