"""A stateful simulator of Vonage's Messages API, as far as texts go, and of its records."""

from muster.sandbox.vonage.config import VonageConfig
from muster.sandbox.vonage.simulator import Message, Vonage

__all__ = ["Message", "Vonage", "VonageConfig"]
