"""Classification of replies, by rules that are data."""

from campaigns.replies.classification.compound import BESIDE
from campaigns.replies.classification.mail import OwnMail
from campaigns.replies.classification.reader import GENERAL, READINGS, REPEATED, Classification, read_reply, restrict

__all__ = ["BESIDE", "GENERAL", "READINGS", "REPEATED", "Classification", "OwnMail", "read_reply", "restrict"]
