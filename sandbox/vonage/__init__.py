"""Stateful simulator of the text part of Vonage's Messages API, and of its records."""

from sandbox.vonage.config import VonageConfig
from sandbox.vonage.simulator import Vonage, VonageMessage

__all__ = ["Vonage", "VonageConfig", "VonageMessage"]
