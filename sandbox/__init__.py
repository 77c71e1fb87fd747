"""The outside world, simulated: a Twilio account, a mail server, members who answer and scanners who do not.

`async with open_sandbox(SandboxConfig(...)) as sandbox:` runs one; `docs/sandbox.md` says what it can do.
"""

from sandbox.profile import Profile
from sandbox.sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.twilio import TwilioConfig
from sandbox.vonage import VonageConfig

__all__ = ["Profile", "Sandbox", "SandboxConfig", "TwilioConfig", "VonageConfig", "open_sandbox"]
