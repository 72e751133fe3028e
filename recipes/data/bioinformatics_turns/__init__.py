"""Multi-turn training records of bioinformatics, drawn from templates written for this recipe."""
