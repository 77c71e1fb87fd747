"""People: who they are, their units, addresses and attributes, the files and lists they come in.

A person is erased in one transaction that spans packages: `campaigns.erasure` empties the person's record and answers,
`messaging.outbox.erasure` the messages, `webhooks.erasure` the inbound log, and `muster.erasure` calls them.
"""
