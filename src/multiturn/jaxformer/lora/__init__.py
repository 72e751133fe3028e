"""Fine-tuning by low-rank adaptation (LoRA): trained factors, checkpoints and exports."""
