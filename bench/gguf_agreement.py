"""Hold the decoder on dequantized GGUF weights against llama.cpp on the quantized ones.

    python bench/gguf_agreement.py MODEL.gguf ...
    python bench/gguf_agreement.py --dequantized MODEL.gguf ...

Twenty prompts of code and prose go through both; the first 20 greedy tokens are compared.
llama.cpp multiplies quantized weights with activations that it rounds to 8 bits for the
purpose (and keeps keys and values in 16 bits), this decoder works in float32; so where the
two likeliest tokens are nearly as likely, the two can part. For each prompt where they do,
the step is printed with the gap in log-probability between the two tokens on both sides:
arithmetic explains a difference if the gap is no larger than what the two sides differ by.

With `--dequantized` llama.cpp gets the same weights as float32, and keeps keys and values in
float32: then nothing is left but the order of additions, and all prompts must agree.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np

from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header
from multiturn.hub.formats.gguf_tensors import read_gguf_tensors
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.models.cache import empty_cache
from multiturn.models.decoder import forward_with_cache, unembed
from multiturn.text.tokenizers_gguf import from_gguf_metadata

STEPS = 20
PROMPTS = [
    "# Import libraries.\n\nimport numpy as np\n\n# Assign the list [1, 2, 3] to x\n",
    "def fibonacci(n):\n",
    "def is_prime(n):\n    ",
    "class Stack:\n    def __init__(self):\n",
    "import re\n\n# Find all numbers in a text\n",
    "for i in range(10):\n",
    "with open('data.csv') as file:\n",
    "# Sort a list of pairs by the second element\npairs = [(1, 3), (2, 1)]\n",
    "def reverse_words(text):\n    words =",
    "import pandas as pd\n\ndf = pd.DataFrame(",
    "SELECT name, age FROM",
    "function add(a, b) {\n",
    "#include <stdio.h>\n\nint main(",
    "try:\n    value = int(text)\nexcept",
    "The capital of France is",
    "Once upon a time",
    "A binary search tree is",
    "# Print the sum of squares\nprint(",
    "def merge(left, right):\n    result = []\n",
    "import json\n\nrecord = json.loads(",
]


def our_tokens(path: Path, prompts: list[list[int]]) -> tuple[np.ndarray[Any, Any], Any]:
    """Greedy tokens [prompts, STEPS] and the log-probabilities [STEPS, prompts, V] behind."""
    checkpoint = open_checkpoint(path)
    parameters = load_parameters(checkpoint, "float32")
    config = checkpoint.config
    read = jax.jit(partial(forward_with_cache, config=config), donate_argnums=3)
    longest = max(map(len, prompts))
    tokens = np.zeros((len(prompts), longest), np.int32)
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = ids
    counts = jnp.array([len(ids) for ids in prompts])
    cache = empty_cache(config, len(prompts), longest + STEPS)
    hidden, cache = read(parameters, jnp.asarray(tokens), counts, cache)
    last = hidden[jnp.arange(len(prompts)), counts - 1][:, None]
    chosen, seen = [], []
    one = jnp.ones_like(counts)
    for _ in range(STEPS):
        logprobs = jax.nn.log_softmax(unembed(parameters, last)[:, 0])
        seen.append(np.asarray(logprobs))
        token = jnp.argmax(logprobs, axis=-1)
        chosen.append(np.asarray(token))
        last, cache = read(parameters, token[:, None], one, cache)
    return np.stack(chosen, axis=1), np.stack(seen)


def their_steps(server: Any, prompt: list[int]) -> list[list[tuple[int, float]]]:
    """For each greedy step of llama.cpp, its likeliest tokens with log-probabilities."""
    answer = server.handle_completions(
        {
            "prompt": prompt,
            "n_predict": STEPS,
            "temperature": 0.0,
            "n_probs": 10,
            "cache_prompt": False,
            "ignore_eos": False,
        }
    )
    content = (answer["choices"][0]["logprobs"] or {"content": []})["content"]
    return [[(entry["id"], entry["logprob"]) for entry in step["top_logprobs"]] for step in content]


def write_dequantized(source: Path, target: Path) -> None:
    """The same model with every tensor as float32."""
    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        item = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=item)
    _, tensors = read_gguf_tensors(source)
    for name, tensor in tensors.items():
        writer.add_tensor(name, np.array(tensor.read()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(path: Path, *, dequantized: bool) -> dict[str, Any]:
    """Run both sides and print what differs."""
    header = read_gguf_header(path)
    tokenizer = from_gguf_metadata(
        {
            key: read_array(header, key) if isinstance(value, ArrayInfo) else value
            for key, value in header.metadata.items()
        }
    )
    prompts = [tokenizer.encode(text) for text in PROMPTS]
    xllamacpp = import_xllamacpp()
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    if dequantized:
        scratch = tempfile.TemporaryDirectory()
        copy = Path(scratch.name) / "float32.gguf"
        write_dequantized(path, copy)
        settings.model.path = str(copy)
        settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.n_ctx = 512
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1  # threads that wait for each other stall a busy machine
    settings.warmup = False
    settings.verbosity = -1
    server = xllamacpp.Server(settings)
    theirs = [their_steps(server, prompt) for prompt in prompts]
    del server
    ours, logprobs = our_tokens(path, prompts)
    same, shared, gaps = 0, [], []
    for row, steps in enumerate(theirs):
        for step, listed in enumerate(steps):
            here = logprobs[step, row]
            shared += [abs(here[token] - logprob) for token, logprob in listed[:5]]
            token = listed[0][0]
            if token != ours[row, step]:
                there = dict(listed)
                gap_here = float(here[ours[row, step]] - here[token])
                gap_there = listed[0][1] - there.get(int(ours[row, step]), float("-inf"))
                gaps.append({"prompt": row, "step": step, "ours": gap_here, "theirs": gap_there})
                break
        else:
            same += 1  # all steps, or all up to the end of text
    result = {
        "model": path.name,
        "llama.cpp computes with": "float32" if dequantized else "the quantized weights",
        "prompts": len(prompts),
        "same_continuations": same,
        "differences": gaps,
        "median_logprob_difference": float(np.median(shared)),
        "greatest_logprob_difference": float(np.max(shared)),
    }
    print(json.dumps(result, indent=1), flush=True)
    return result


def main() -> None:
    """Compare each file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="+", type=Path)
    parser.add_argument("--dequantized", action="store_true", help="give llama.cpp float32")
    chosen = parser.parse_args()
    for path in chosen.model:
        compare(path, dequantized=chosen.dequantized)


if __name__ == "__main__":
    main()
