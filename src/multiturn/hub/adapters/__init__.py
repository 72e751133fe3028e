"""LoRA adapters as files: PEFT directories and GGUF files, written, read and merged.

pairs    a run's factors as two matrices for each tensor of a layout
peft     the hub's PEFT layout: adapter_config.json and adapter_model.safetensors
gguf     llama.cpp's adapter files
matching finds the matrices of a decoder to which an adapter's file belongs
merging  merges an adapter's file into the parameters of a decoder in JAX
"""
