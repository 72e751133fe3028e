"""Ways of prompting with a problem: in turns, in a single prompt, and controls in between."""
