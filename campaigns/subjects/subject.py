"""Subject: what a campaign asks about, and all that campaigns, pages and replies need of it.

Its three sides have a module each: `asking` (whom, and in which words), `answering` (what replies and buttons mean, and
what they become) and `showing` (the page of a link, the status). A function that needs one side only may ask for that.
"""

from __future__ import annotations

from campaigns.subjects.answering import Answering
from campaigns.subjects.asking import Asking
from campaigns.subjects.showing import Showing


class Subject(Asking, Answering, Showing):
    """Subject of campaigns; each kind is a class of its own."""

    __slots__ = ()
