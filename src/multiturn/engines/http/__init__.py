"""The HTTP engine: servers with OpenAI's `/v1/completions` or `/v1/chat/completions`.

`multiturn.engines.http.open` opens it; docs/http-engine.md says what it guarantees.
"""
