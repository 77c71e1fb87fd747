"""SMTP: email by a relay, DKIM signatures, and the reply codes of servers."""
