"""Tensor file formats, read without executing anything in the files.

tensors            one tensor of a file, in any format
gguf               GGUF headers; gguf_reader and gguf_tensors are its parts
ggml_types         the quantized types of GGUF
safetensors_files  safetensors
pickles            PyTorch checkpoints, as data
"""
