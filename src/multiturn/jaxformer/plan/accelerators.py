"""Public figures of accelerators, from their makers' data sheets."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.core.errors import UnknownNameError

__all__ = ["ACCELERATORS", "Accelerator", "find_accelerator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device.

    Attributes:
        title: the maker's name for it.
        flops: dense bf16 peak FLOP/s.
        memory: bytes.
        bandwidth: of its memory, bytes/s.
        link: bytes/s that one device sends to its neighbours, over all links in one direction.
        near: how many devices `link` connects; farther devices are reached over `network`.
        network: bytes/s from one device to farther devices, in one direction. For GPUs, one
            400 Gbit/s adapter each (200 for the A100), which is usual.
        source: of the figures.
    """

    title: str
    flops: float
    memory: float
    bandwidth: float
    link: float
    near: int
    network: float
    source: str


ACCELERATORS: dict[str, Accelerator] = {
    "a100-80": Accelerator(
        title="NVIDIA A100 SXM 80 GB", flops=312e12, memory=80e9, bandwidth=2.039e12,
        link=300e9, near=8, network=25e9, source="NVIDIA A100 data sheet; NVLink 600 GB/s",
    ),
    "h100": Accelerator(
        title="NVIDIA H100 SXM", flops=989e12, memory=80e9, bandwidth=3.35e12,
        link=450e9, near=8, network=50e9, source="NVIDIA H100 data sheet; NVLink 900 GB/s",
    ),
    "h200": Accelerator(
        title="NVIDIA H200 SXM", flops=989e12, memory=141e9, bandwidth=4.8e12,
        link=450e9, near=8, network=50e9, source="NVIDIA H200 data sheet; NVLink 900 GB/s",
    ),
    "tpu-v4": Accelerator(
        title="TPU v4", flops=275e12, memory=32 * 2**30, bandwidth=1.228e12,
        link=150e9, near=4096, network=6.25e9,
        source="Google Cloud TPU v4 page; 6 links of 50 GB/s both ways",
    ),
    "tpu-v5e": Accelerator(
        title="TPU v5e", flops=197e12, memory=16e9, bandwidth=0.82e12,
        link=100e9, near=256, network=6.25e9,
        source="Google Cloud TPU v5e page; 1,600 Gbit/s both ways",
    ),
    "tpu-v5p": Accelerator(
        title="TPU v5p", flops=459e12, memory=95e9, bandwidth=2.765e12,
        link=300e9, near=8960, network=6.25e9,
        source="Google Cloud TPU v5p page; 4,800 Gbit/s both ways",
    ),
}  # fmt: skip
"""By the name on the command line. A TPU's `network` is assumed to be a quarter of its host's
200 Gbit/s adapter; traffic within one slice does not use it."""


def find_accelerator(name: str) -> Accelerator:
    """The figures of a device.

    Raises:
        UnknownNameError: the table has no such device.
    """
    if name not in ACCELERATORS:
        raise UnknownNameError("accelerator", name, ACCELERATORS)
    return ACCELERATORS[name]
