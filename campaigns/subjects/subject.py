"""Subject: what a campaign asks about, with all that campaigns, pages and replies need of it.

Its three sides have a module each: `asking` (the people and the words), `answering` (the meaning and recording of
replies and buttons) and `showing` (the page of a link, the status). A function that needs only one side may ask for
that type.
"""

from __future__ import annotations

from campaigns.subjects.answering import Answering
from campaigns.subjects.asking import Asking
from campaigns.subjects.showing import Showing


class Subject(Asking, Answering, Showing):
    """Subject of campaigns; each kind is a class of its own."""

    __slots__ = ()
