"""What writes text: one protocol, several engines."""
