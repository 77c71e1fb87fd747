"""Classification of replies, by rules that are data."""

from campaigns.replies.classification.classify import (
    GENERAL,
    READINGS,
    REPEATED,
    Classification,
    classify_reply,
    restrict,
)
from campaigns.replies.classification.compound import BESIDE
from campaigns.replies.classification.mail import OwnMail

__all__ = ["BESIDE", "GENERAL", "READINGS", "REPEATED", "Classification", "OwnMail", "classify_reply", "restrict"]
