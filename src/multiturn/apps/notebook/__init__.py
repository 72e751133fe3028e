"""The notebook: `%load_ext multiturn`, then `%%turn` writes a step into the next cell.

Nothing here imports IPython: the shell is passed in by it.
"""
