"""Exports of checkpoints to the layouts of other engines, each verified.

export       `export`, for CodeGen checkpoints
configs      config.json of each layout
files        safetensors and atomic directories
gguf         GGUF
reference    independent forward passes to verify against
certificate  the result of the verification
"""
