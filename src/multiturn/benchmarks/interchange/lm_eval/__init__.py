"""The benchmark for the Language Model Evaluation Harness (lm-eval)."""
