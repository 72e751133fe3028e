"""Checkpoints: a model's directory or file to the parameters of a decoder.

reading  opens checkpoints and loads parameters
configs  config.json of the hub's families, and GGUF metadata
stored_arrays  arrays as the files store them, for engines that pack them
layouts  maps tensors of files to arrays of the decoder
"""
