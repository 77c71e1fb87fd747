"""Classification of replies, by rules that are data."""

from campaigns.replies.classification.compound import BESIDE
from campaigns.replies.classification.mail import OwnMail
from campaigns.replies.classification.reader import READINGS, REPEATED, Classification, read_reply

__all__ = ["BESIDE", "READINGS", "REPEATED", "Classification", "OwnMail", "read_reply"]
