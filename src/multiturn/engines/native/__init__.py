"""The native engine: this project's own decoder for CPUs behind the `Engine` protocol, without JAX.

A `PendingRequest` becomes one `Sequence` (`sequence`) for each continuation. The `Scheduler`
(`scheduler`) computes all sequences together, prompts and decoded tokens in the same calls, with
keys and values in blocks (`models.native.paged_cache`) that sequences share (`prefix_cache`).
`draws` has the random numbers, `prompt_lookup` and `speculation` the drafts. A `Model` (`model`)
computes; `loader` opens one from files, in the precision that `precision` chooses.
"""
