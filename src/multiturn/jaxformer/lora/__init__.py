"""Fine-tuning by low-rank adaptation: what is trained, and how it leaves a run."""
