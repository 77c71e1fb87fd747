"""SMTP: emails by a relay, with DKIM, and what servers answer."""
