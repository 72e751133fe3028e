"""Memory and time of a run on devices that are not here, from the compiled train step.

accelerators  public figures of devices
compile       the real step compiled for virtual devices, in its own process
hlo           counts collectives and matrix products in a partitioned module
estimate      memory, FLOPs, traffic and time of a run on a mesh
"""
