"""Sandbox: a simulated Twilio and Vonage account, mail server, members and link scanners.

`async with open_sandbox(SandboxConfig(...)) as sandbox:` runs one; `docs/sandbox.md` describes it.
"""

from sandbox.profile import Profile
from sandbox.sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.twilio import TwilioConfig
from sandbox.vonage import VonageConfig

__all__ = ["Profile", "Sandbox", "SandboxConfig", "TwilioConfig", "VonageConfig", "open_sandbox"]
