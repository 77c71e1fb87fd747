"""Members' own words among ours."""

from __future__ import annotations

import json
from pathlib import Path

from messaging.content.sent import render_again
from messaging.content.templates import Template

DATA = Path(__file__).parents[1] / "data"

MENU = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}

TEXT = "Hi Amy, have you posted your ballot paper? Reply 1 posted, 2 not yet, 3 none came. Reply STOP to unsubscribe"

BALLOT = Template(
    name="ballot",
    purpose="service",
    subject="Have you posted your ballot paper?",
    email=(
        "Hello {{ first_name }},\n\nVoting papers for *National pay ballot 2026* went out to members' homes.\n\n"
        "Have you posted yours?\n\n[Tell us here]({{ confirm_link }}){.button}\n\nThe page lets you say I have voted,"
        " not yet or no ballot paper has come. Once you have told us, we won't ask again.\n\nThank you,  \nThe Union"
    ),
)


def sent_email() -> tuple[str, ...]:
    return render_again(json.dumps(BALLOT.to_json()), "{}", "email", {"first_name": "Amy"})
