"""What the speed benchmarks share: peers, each in a process of its own, and what drives them."""
