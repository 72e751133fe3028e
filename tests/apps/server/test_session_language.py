"""The language of a session in the API of the server."""

from __future__ import annotations

import pytest

from multiturn.apps.server.sessions.job_kinds import example_from
from multiturn.apps.server.sessions.settings_models import changed_settings
from multiturn.core.errors import InputError
from multiturn.synthesis.records import SessionSettings
from multiturn.text.languages import language


def test_a_new_session_takes_a_language():
    settings = changed_settings(SessionSettings(), {"language": "js"})
    assert settings.language == "javascript"
    with pytest.raises(InputError, match="unknown language"):
        changed_settings(SessionSettings(), {"language": "cobol"})


def test_what_a_client_expects_is_what_is_printed():
    assert example_from({"words": "42"}, language("go")).expected == 42
    with pytest.raises(InputError, match="Go"):
        example_from({"words": "x == 42"}, language("go"))
