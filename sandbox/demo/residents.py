"""Habits and words of the demo's residents, who are asked about a visit and reminded of an appointment."""

from __future__ import annotations

from typing import Final

from sandbox.profile import Habits, Profile
from sandbox.replies import OF_A_BALLOT, Phrasebook

STAFF_ANSWER: Final = "Thank you for telling us. We are sorry, and will look into it. Leeds Council"
"""Answer of the demo's staff to somebody who was not content."""

RESIDENTS: Final = Phrasebook(
    phrases={
        "good": ("very good", "Good thanks", "great", "Excellent!", "da iawn"),
        "fair": ("ok", "it was okay thanks", "average", "Fair"),
        "poor": ("very poor", "Bad", "terrible", "poor"),
        "will_attend": ("I will come", "coming", "i can come", "see you then", "confirmed"),
        "change_appointment": ("I need to change it", "reschedule please", "cant come", "another time please"),
        "unclear": (
            "who is this",
            "which visit do you mean",
            "the bins have not been emptied",
            "it was on tuesday I think",
            "hmm",
        ),
        **{meaning: OF_A_BALLOT.phrases[meaning] for meaning in ("opt_out", "call_me", "help")},
    },
    labels={
        "good": "[Gg]ood|[Dd]a",
        "fair": "[Ff]air|[Gg]weddol",
        "poor": "[Pp]oor|[Gg]wael",
        "will_attend": "if you will come|I will come|os byddwch yn dod|Dof",
        "change_appointment": "to change it|I need to change it|i'w newid|Mae angen ei newid",
    },
    remarks={
        "good": ("nice staff", "the new entrance is much better", "everybody was so helpful"),
        "fair": ("the lift was broken", "hard to find a place to park"),
        "poor": ("waited two hours", "nobody knew about my letter", "the toilets were closed"),
        "will_attend": ("my daughter comes with me", "with a wheelchair"),
        "change_appointment": ("I am away that day", "I am away until Friday"),
        "answer_good": ("Thanks to the lady at the desk", "All very quick"),
        "answer_fair": ("The form is too long", "The queue was outside in the rain"),
        "answer_poor": ("Nobody answered the phone", "I was sent away twice"),
        "answer_will_attend": ("I may be five minutes late",),
        "answer_change_appointment": ("I start a new job that week",),
    },
    careless=0.25,
)
"""Replies of residents; a test reads each with Muster's own rules."""

_BY_EMAIL: Final[Habits] = {
    "open": 0.06,
    "press:answer_good": 0.22,
    "press:answer_good>comment": 0.06,
    "press:answer_fair": 0.07,
    "press:answer_poor": 0.05,
    "press:answer_poor>comment": 0.03,
    "press:answer_poor>answer_fair": 0.02,
    "press:answer_fair>answer_good": 0.02,
    "press:call_me": 0.01,
    "press:stop": 0.004,
    "unsubscribe_page": 0.006,
    "one_click": 0.008,
}
_BY_TEXT: Final[Habits] = {
    "open": 0.03,
    "press:answer_good": 0.08,
    "press:answer_good>comment": 0.02,
    "press:answer_poor>answer_fair": 0.01,
    "press:answer_poor": 0.02,
    "press:stop": 0.003,
    "reply:good": 0.16,
    "reply:good+": 0.05,
    "reply:fair": 0.06,
    "reply:fair+": 0.02,
    "reply:poor": 0.03,
    "reply:poor+": 0.03,
    "reply:poor>fair": 0.01,
    "reply:fair>good+": 0.01,
    "reply:call_me": 0.005,
    "reply:opt_out": 0.02,
    "reply:help": 0.002,
    "reply:unclear": 0.05,
    "reply:unclear>unclear": 0.005,
}
_ABOUT_AN_APPOINTMENT: Final[Habits] = {
    "open": 0.03,
    "press:answer_will_attend": 0.18,
    "press:answer_will_attend>comment": 0.03,
    "press:answer_change_appointment": 0.05,
    "press:answer_will_attend>answer_change_appointment": 0.02,
    "reply:will_attend": 0.3,
    "reply:will_attend+": 0.04,
    "reply:change_appointment": 0.06,
    "reply:change_appointment+": 0.03,
    "reply:change_appointment>will_attend": 0.01,
    "reply:opt_out": 0.01,
    "reply:unclear": 0.04,
}
_ASKED_BACK: Final[Habits] = {
    "reply:good": 0.35,
    "reply:fair": 0.1,
    "reply:poor+": 0.05,
    "reply:will_attend": 0.2,
    "reply:unclear": 0.1,
}


def residents(seed: int, *, at_once: int, speed: float) -> Profile:
    """Return the behaviour of a council's residents; see `Profile`."""
    return Profile(
        seed=seed,
        email=_BY_EMAIL,
        sms=_BY_TEXT,
        about={
            STAFF_ANSWER: {},
            "Sorry, we": _ASKED_BACK,
            "Mae\u2019n ddrwg gennym": _ASKED_BACK,
            "ppointment": _ABOUT_AN_APPOINTMENT,
            "apwyntiad": _ABOUT_AN_APPOINTMENT,
        },
        phrasebook=RESIDENTS,
        undo=0.03,
        at_once=at_once,
        speed=speed,
    )
