"""A decoder written in the layouts that other engines read, each checked at once.

export       the door
configs      config.json of each layout
files        safetensors, tokenizer and model card
gguf         GGUF
reference    how a layout computes, written a second time, to check against
certificate  what the check found, kept beside the export
"""
