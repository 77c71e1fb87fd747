"""A stateful simulator of Twilio's Messages API."""

from muster.sandbox.twilio.config import TwilioConfig
from muster.sandbox.twilio.messages import Message
from muster.sandbox.twilio.simulator import Twilio

__all__ = ["Message", "Twilio", "TwilioConfig"]
