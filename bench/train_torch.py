"""The peer of bench/train.py: a plain, well-written torch loop on the same decoder.

Started by bench/train.py with the Python of an environment that has torch. It computes what
a CodeGen block computes: one LayerNorm, attention with rotary positions and a feed-forward
side by side, both added to the stream; untied head with a bias.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Both branches read the same normed input."""

    def __init__(self, width: int, heads: int, rotary: int) -> None:
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Of the stream [B, T, D]."""
        rows, length, width = x.shape
        normed = self.norm(x)
        parts = self.qkv(normed).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        query, key = self._turned(query, cos, sin), self._turned(key, cos, sin)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        attended = self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return x + attended + self.down(functional.gelu(self.up(normed), approximate="tanh"))

    def _turned(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        turning, rest = x[..., : self.rotary], x[..., self.rotary :]
        even, odd = turning[..., ::2], turning[..., 1::2]
        both = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
        return torch.cat((both.flatten(-2).to(x.dtype), rest), dim=-1)


class Decoder(nn.Module):
    """Tokens to logits."""

    def __init__(self, shape: dict[str, int]) -> None:
        super().__init__()
        width = shape["heads"] * shape["head_size"]
        self.embedding = nn.Embedding(shape["vocab_size"], width)
        self.blocks = nn.ModuleList(
            Block(width, shape["heads"], shape["rotary_size"]) for _ in range(shape["layers"])
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, shape["vocab_size"])
        half = shape["rotary_size"] // 2
        waves = 10_000 ** (-torch.arange(half) / half)
        angles = torch.arange(shape["length"])[:, None] * waves
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                into = "out.weight" in name or "down.weight" in name
                scale = 0.02 / math.sqrt(2 * shape["layers"]) if into else 0.02
                nn.init.normal_(parameter, std=scale)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The logits after each token."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.head(self.norm(x))


def main() -> None:
    """Train on random tokens; print seconds of each step and the rate of a product."""
    job = json.loads(sys.argv[1])
    shape, narrow = job["shape"], job["dtype"] == "bfloat16"
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    model = Decoder(shape)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)
    data = torch.randint(shape["vocab_size"], (job["rows"], shape["length"] + 1))
    seconds, loss = [], None
    for _ in range(job["steps"] + 1):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            logits = model(data[:, :-1])
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), data[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - begin)
    kind = torch.bfloat16 if narrow else torch.float32
    left, right = torch.ones(1024, 1024, dtype=kind), torch.ones(1024, 4096, dtype=kind)
    best = math.inf
    for _ in range(8):
        begin = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begin)
    product = 2 * 1024 * 1024 * 4096 / best
    answer = {"seconds": seconds[1:], "product_flops": product, "loss": loss.item()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(answer | {"version": torch.__version__, "peak_memory_mb": memory}))


if __name__ == "__main__":
    main()
