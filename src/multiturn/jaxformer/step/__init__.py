"""One training step: loss, optimizer, state, accumulation."""
