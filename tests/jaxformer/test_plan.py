"""Plans: what is counted in a module's text, and the real step compiled for a mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.plan.accelerators import ACCELERATORS, find_accelerator
from multiturn.jaxformer.plan.compile import CompiledStep, compile_step
from multiturn.jaxformer.plan.estimate import find_fitting_plan, parse_mesh, plan_run
from multiturn.jaxformer.plan.hlo import Traffic, count_work
from multiturn.jaxformer.recipes import load_recipe
from multiturn.jaxformer.run.flops import flops_per_token

pytestmark = pytest.mark.real

MODULE = """\
%body (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %w = f32[2,4]{1,0} parameter(1)
  %g = f32[8,4]{1,0} all-gather(%w), channel_id=1, replica_groups=[2,4]<=[8], dimensions={0}
  %x = f32[16,8]{1,0} broadcast(%w), dimensions={}
  %d = f32[16,4]{1,0} dot(%x, %g), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %r = f32[16,4]{1,0} all-reduce(%d), channel_id=2, replica_groups=GROUPS, to_apply=%sum
  %s = f32[4,4]{1,0} dynamic-slice(%r, %i, %j), dynamic_slice_sizes={4,4}
}

%condition (p: (s32[], f32[8,4])) -> pred[] {
  %limit = s32[] constant(7)
  ROOT %less = pred[] compare(%i, %limit), direction=LT
}

ENTRY %main (a: f32[8,4]) -> f32[] {
  %t = (s32[], f32[8,4]{1,0}) tuple(%zero, %a)
  %loop = (s32[], f32[8,4]{1,0}) while(%t), condition=%condition, body=%body
  %q = bf16[3]{0} all-reduce(%b), channel_id=3, replica_groups={{0,1,2,3,4,5,6,7}}, to_apply=%sum
  ROOT %u = f32[] negate(%q)
}
"""


@pytest.mark.parametrize(
    ("groups", "span"),
    [
        ("{{0,1},{2,3},{4,5},{6,7}}", 2),
        ("[4,2]<=[2,4]T(1,0)", 5),
        ("mesh['axis_0'=4,'axis_1'=2] {'axis_1'}", 2),
        ("mesh['axis_0'=2,'axis_1'=4], device_ids=([4,2]T(1,0)) {'axis_0'}", 2),
        ("mesh['axis_0'=2,'axis_1'=2,'axis_2'=2] {'axis_0'}", 5),
    ],
)
def test_bodies_count_as_often_as_they_run(groups: str, span: int) -> None:
    work = count_work(MODULE.replace("GROUPS", groups))
    assert work.flops == 7 * 2 * 16 * 4 * 8
    assert work.traffic == (
        Traffic("all-gather", 4, 4, 7, 7 * 8 * 4 * 4),
        Traffic("all-reduce", 8, 8, 1, 6),
        Traffic("reduce-scatter", 2, span, 7, 7 * 16 * 4 * 4),
    )


def test_a_loop_without_a_count_is_refused() -> None:
    with pytest.raises(ValueError, match="no known trip count"):
        count_work(MODULE.replace("GROUPS", "{{0,1}}").replace("constant(7)", "parameter(0)"))


@pytest.mark.slow
def test_the_real_step_on_four_devices(tiny: TrainConfig) -> None:
    config = replace(tiny, mesh=parse_mesh("data=2,fsdp=2"))
    found = compile_step(config, 4)
    whole = compile_step(replace(tiny, mesh=parse_mesh("data=1")), 1)
    # The state is halved by fsdp (norms and biases are cut as well), the products by all four.
    assert found.parameters == pytest.approx(whole.parameters / 2, rel=0.1)
    assert found.optimizer == pytest.approx(2 * found.parameters, rel=0.01)
    assert found.work.flops == pytest.approx(whole.work.flops / 4, rel=0.05)
    assert not whole.work.traffic
    kinds = {traffic.kind for traffic in found.work.traffic}
    assert {"all-gather", "all-reduce"} <= kinds
    # The formula counts half of attention's square, the compiled step all of it.
    formula = flops_per_token(config.model, config.batch.length) * config.batch.tokens
    assert whole.work.flops == pytest.approx(formula, rel=0.25)


@pytest.mark.parametrize(
    ("mesh", "told"), [("tensor=3", r"heads"), ("data=3", r"sequences"), ("sequence=3", r"length")]
)
def test_a_mesh_that_does_not_divide_is_told(tiny: TrainConfig, mesh: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        compile_step(replace(tiny, mesh=parse_mesh(mesh)), 3)


def test_what_does_not_fit_is_refused_and_what_would_is_named(tiny: TrainConfig) -> None:
    small = replace(ACCELERATORS["h100"], memory=2e6)

    def compiled(config: TrainConfig, devices: int) -> CompiledStep:
        rows = config.batch.sequences / config.batch.accumulate / config.mesh.fsdp
        state = 100_000 // config.mesh.fsdp
        blank = count_work(MODULE.replace("GROUPS", "{{0,1}}"))
        return CompiledStep(
            parameters=state, optimizer=2 * state, batch=0, temporary=int(400_000 * rows),
            work=blank, xla_flops=0.0, seconds=0.0,
        )  # fmt: skip

    refused = plan_run(tiny, MeshConfig(data=1), small, compile_for=compiled)
    assert not refused.fits
    better = find_fitting_plan(tiny, refused, compile_for=compiled)
    assert better is not None and better[0].fits
    assert better[0].devices == 1 and better[1] > 1


@pytest.mark.slow
def test_16b_does_not_fit_one_node_of_h100s_whole_and_the_mesh_that_does_is_named() -> None:
    """The real recipe, its step compiled for each mesh that is tried."""
    recipe = Path(__file__).parents[2] / "recipes" / "train" / "codegen_16b.py"
    config = load_recipe(f"{recipe}:nl", ["batch.accumulate=64"])
    refused = plan_run(config, parse_mesh("data=8"), ACCELERATORS["h100"])
    # Weights and two moments in float32, whole on every device.
    assert refused.memory > 12 * 16e9
    assert not refused.fits
    better = find_fitting_plan(config, refused)
    assert better is not None and better[0].fits and better[0].mesh.fsdp > 1


def test_words_that_are_wrong() -> None:
    for wrong in ("data", "data=0", "pipe=2", "data=2;fsdp=2", ""):
        with pytest.raises(InputError, match="mesh cannot be read"):
            parse_mesh(wrong)
    with pytest.raises(UnknownNameError):
        find_accelerator("h10")
