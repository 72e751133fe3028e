"""Ways of putting a problem to a model: in turns, all at once, and controls between the two."""
