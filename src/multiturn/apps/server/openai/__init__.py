"""OpenAI's API: the shapes of its requests and answers, and what they mean to an engine."""
