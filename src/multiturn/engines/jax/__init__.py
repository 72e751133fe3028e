"""The native engine: this project's decoder behind the `Engine` protocol, with continuous batching.

A `PendingRequest` (`request`) becomes one `SlotSequence` (`sequence`) for each continuation. The
`DeviceScheduler` (`scheduler`) prefills prompts (`prefill`), reuses what is cached (`prefix_cache`),
inserts sequences into slots (`slots`) and decodes all slots together (`decode`, `sampling`). A
`Backend` (`backend`) computes the model; `loader` opens one from files.
"""
