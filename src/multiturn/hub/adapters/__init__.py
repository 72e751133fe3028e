"""LoRA adapters as files: PEFT directories and GGUF files, written, read and merged.

pairs    between a run's factors and the two matrices of each tensor in a layout
peft     the hub's PEFT layout: adapter_config.json and adapter_model.safetensors
gguf     llama.cpp's adapter files
merging  a decoder with an adapter's file added in
"""
