"""Delays of the simulated networks and providers."""

from __future__ import annotations

Delay = tuple[float, float]
"""From and to, in seconds; each delay is drawn uniformly between them."""
