"""OpenVINO GenAI: its reader of GGUF makes the graph, NNCF compresses the weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from peers.jobs import TEMPERATURE, TOP_P, Job, Model, Setting

TITLE = "OpenVINO GenAI"
PACKAGES = ("openvino-genai", "openvino", "nncf")


def settings(model: Model, count: int) -> list[Setting]:
    """Weights of 8 and 4 bits, products in 8 bits by groups, both of its pipelines.

    A quantized file taken as it is was slower than the same weights compressed again, and its
    reader does not know every format. It knows no CodeGen, so the random model is none for it.
    """
    if model.name.endswith("-random"):
        return []
    found = []
    for weights in ("int8", "int4"):
        for group in (0, 64):
            options = {"weights": weights, "group": group, "paged": True}
            found.append(Setting(name=f"{weights}, dynamic group {group}", options=options))
    options = {"weights": "int8_sym", "group": 64, "paged": True}
    found.append(Setting(name="int8_sym, dynamic group 64", options=options))
    if count == 1:
        options = {"weights": "int4", "group": 64, "paged": False}
        found.append(Setting(name="int4, dynamic group 64, LLMPipeline", options=options))
    return found


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """The types that its plug-in computes in here, which follow the instructions."""
    import openvino

    return " ".join(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def prepare(model: Model) -> dict[str, Any]:
    """Make the graphs once: in float16, and compressed from it."""
    if not place_of(model, "float16").exists():
        wide = model.directory.with_name(f"{model.directory.name}.float16.gguf")
        _write_float16(model.gguf, wide)
        _graph(wide, place_of(model, "float16"))
        wide.unlink()
    for weights in ("int8", "int8_sym", "int4"):
        if not place_of(model, weights).exists():
            _compress(place_of(model, "float16"), place_of(model, weights), weights)
    return {}


def load(model: Model, setting: Setting, threads: int) -> _OpenVINO:
    """Load into the pipeline of the setting."""
    return _OpenVINO(model, threads, **setting.options)


class _OpenVINO:
    def __init__(
        self, model: Model, threads: int, *, weights: str, group: int, paged: bool
    ) -> None:
        import openvino
        import openvino_genai

        self._tensor = openvino.Tensor
        self._library = openvino_genai
        properties = {
            "INFERENCE_NUM_THREADS": threads,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
        }
        place = str(place_of(model, weights))
        self._paged = paged
        if paged:
            scheduler = openvino_genai.SchedulerConfig()
            scheduler.max_num_seqs = 256
            scheduler.max_num_batched_tokens = 4096
            scheduler.cache_size = 2
            scheduler.enable_prefix_caching = False
            self._pipeline = openvino_genai.ContinuousBatchingPipeline(
                place, scheduler, "CPU", properties
            )
        else:
            self._pipeline = openvino_genai.LLMPipeline(
                place, "CPU", ATTENTION_BACKEND="SDPA", **properties
            )

    def run(self, job: Job) -> list[int]:
        configs = [self._config(job, row) for row in range(len(job.prompts))]
        inputs = [self._tensor(np.array([prompt], np.int64)) for prompt in job.prompts]
        if self._paged:
            answers = self._pipeline.generate(inputs, configs)
            return [len(answer.m_generation_ids[0]) for answer in answers]
        counts = []
        for ids, config in zip(inputs, configs, strict=True):
            counts.append(len(self._pipeline.generate(ids, config).tokens[0]))
        return counts

    def _config(self, job: Job, row: int) -> Any:
        config = self._library.GenerationConfig()
        config.max_new_tokens = job.new_tokens
        config.ignore_eos = True
        config.do_sample = job.sample
        if job.sample:
            config.temperature = TEMPERATURE
            config.top_p = TOP_P
            config.rng_seed = job.seed + row
        return config


def place_of(model: Model, weights: str) -> Path:
    """The path of the graph with these weights."""
    return model.directory.with_name(f"{model.directory.name}.openvino-{weights}")


def _graph(source: Path, target: Path) -> None:
    """OpenVINO saves the graph of a GGUF file beside the file."""
    import openvino_genai

    work = target.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / source.name).symlink_to(source)
    openvino_genai.LLMPipeline(str(work / source.name), "CPU", enable_save_ov_model=True)
    (work / source.name).unlink()
    work.rename(target)


def _compress(source: Path, target: Path, weights: str) -> None:
    import nncf
    import openvino

    modes = nncf.CompressWeightsMode
    # 4 bits leave the head and the embedding at 8, as the tool does by default.
    how: dict[str, Any] = {
        "int8": {"mode": modes.INT8_ASYM},
        "int8_sym": {"mode": modes.INT8_SYM},
        "int4": {"mode": modes.INT4_ASYM, "group_size": 64},
    }[weights]
    work = target.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = nncf.compress_weights(openvino.Core().read_model(source / "openvino_model.xml"), **how)
    openvino.save_model(model, work / "openvino_model.xml", compress_to_fp16=False)
    for file in source.iterdir():
        if not file.name.startswith("openvino_model."):
            shutil.copyfile(file, work / file.name)
    work.rename(target)


def _write_float16(source: Path, target: Path) -> None:
    """The same model with every matrix as float16."""
    import gguf

    from multiturn.hub.formats.gguf_tensors import read_gguf_tensors

    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in (
            "general.architecture",
            "general.file_type",
        ):
            continue
        item = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=item)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _, tensors = read_gguf_tensors(source)
    for name, tensor in tensors.items():
        values = np.array(tensor.read())
        writer.add_tensor(name, values.astype(np.float16) if values.ndim > 1 else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
