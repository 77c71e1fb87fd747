"""Deliver one message to one person, once.

Packages above add steps with `outbox.steps`, put messages in with `outbox.enqueue`, read progress from `outbox.counts`
and `outbox.history`, record who must not be written to with `suppression`, `bulk_suppression` and `consent`, and who
has met a goal with `goals`. The worker runs `outbox.dispatcher` over `channels.open_channels`.
`settings.load_settings` reads the settings, with those that providers bring.
"""
