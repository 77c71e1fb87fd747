"""Signed webhooks to subscribers (Standard Webhooks): one ordered event log, delivered to each subscription.

`event_types` lists the events; `event_log` finds them in the source tables and numbers them; `delivery` sends them,
called by a worker every second; `subscriptions` manages who receives what.
"""
