"""The server of `multiturn serve`: OpenAI's API and sessions over HTTP, on one engine."""
