"""A stateful simulator of Vonage's Messages API, as far as texts go, and of its records."""

from sandbox.vonage.config import VonageConfig
from sandbox.vonage.simulator import Vonage, VonageMessage

__all__ = ["Vonage", "VonageConfig", "VonageMessage"]
