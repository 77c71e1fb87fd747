"""What a reply means, read by rules that are data."""

from campaigns.reading.mail import OwnMail
from campaigns.reading.reader import READINGS, REPEATED, Reading, read_reply

__all__ = ["READINGS", "REPEATED", "OwnMail", "Reading", "read_reply"]
