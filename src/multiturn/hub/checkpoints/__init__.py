"""A model's directory or file becomes a decoder's parameters.

reading  the door
configs  config.json of the hub's families
layouts  which tensor of a file is which of the decoder's, and how its axes lie
"""
