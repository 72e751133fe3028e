"""The native sampler: the decoder of this project behind the `Engine` protocol."""
