"""The task description that the generation of answers receives."""

from __future__ import annotations

from othink_mr1.config.strict import Count, PromptTemplate, Strict


class GenerationTask(Strict):
    """A task to answer."""

    name: str
    prompt: PromptTemplate
    max_new_tokens: Count
