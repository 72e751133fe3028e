"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("multiturn", deadline=None)
settings.load_profile("multiturn")

# Models are shared by all tests of a run, and kept between runs like any user's.
MODELS = Path(os.environ.get("MULTITURN_TEST_MODELS", "~/.cache/multiturn/models")).expanduser()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test: nobody's sessions or settings are read or written."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MULTITURN_HOME", str(place))
    monkeypatch.delenv("MULTITURN_MODEL", raising=False)
    return place


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The small real model, pulled and verified once."""
    from multiturn.hub.pull import pull

    return pull("smollm2-135m", directory=MODELS)


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default model (491 MB): for slow tests."""
    from multiturn.hub.pull import pull

    return pull("qwen2.5-coder-0.5b", directory=MODELS)
