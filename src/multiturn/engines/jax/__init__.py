"""The JAX engine: `models.decoder` as XLA compiles it, with continuous batching; for accelerators.

A `PendingRequest` becomes one `SlotSequence` (`sequence`) for each continuation. The
`DeviceScheduler` (`scheduler`) prefills prompts (`prefill`), reuses what is cached
(`prefix_cache`), inserts sequences into slots (`slots`) and decodes all slots together (`decode`,
`sampling`). A `Backend` (`backend`) computes the model; `loader` opens one from files.
"""
