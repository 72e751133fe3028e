"""The benchmark for Inspect, and results in the format of its logs."""
