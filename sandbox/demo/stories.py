"""Stories that a demo can play, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sandbox.demo.ballot import BallotStory
from sandbox.demo.question import QuestionStory
from sandbox.demo.story import Story

STORIES: Final[Mapping[str, type[Story]]] = MappingProxyType(
    {story.name: story for story in (BallotStory, QuestionStory)}
)
