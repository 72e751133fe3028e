"""What the records say: rates, comparisons of arms, errors, scaling, safety."""
