"""Files that hold tensors, read without running anything that is in them.

tensors           one tensor of a file, whatever the file's format
gguf              what a GGUF file says about itself; gguf_reader, gguf_tensors: its parts
ggml_types        the quantized types of GGUF
safetensors_files safetensors
pickles           PyTorch's checkpoints, as data
"""
