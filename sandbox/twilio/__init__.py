"""Stateful simulator of Twilio's Messages API."""

from sandbox.twilio.config import TwilioConfig
from sandbox.twilio.messages import Message
from sandbox.twilio.simulator import Twilio

__all__ = ["Message", "Twilio", "TwilioConfig"]
