"""What a run needs of devices that are not here, from the compiled step itself.

accelerators  public figures of devices
compiling     the real step compiled for virtual devices, in a process of its own
hlo           collectives and products counted in the text of a partitioned module
planning      memory, arithmetic, traffic and time of a run on a mesh
"""
