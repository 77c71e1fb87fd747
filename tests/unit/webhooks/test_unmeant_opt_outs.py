"""An opt-out is obeyed wherever a person writes it, and never read from text that machines add."""

from __future__ import annotations

import pytest

from muster.cli.check_mail import read_checked

HEAD = "From: Amy <amy@member.test>\nTo: r+7-abcdefgh@reply.union.test\nReturn-Path: <amy@member.test>\n"
AUTOMATIC = "Subject: Automatic reply: Your vote\n"
LISTED = "Subject: Re: Your vote\nList-Unsubscribe: <mailto:leave@list.test>\n"
ANSWER = "Subject: Re: Your vote\n"


def judged(body: str, head: str = ANSWER) -> tuple[str, str | None]:
    result = read_checked(f"{HEAD}{head}\n{body}\n".encode())
    return result["kind"], result["reading"]


@pytest.mark.parametrize(
    "body",
    [
        "STOP",
        "Thanks\n\nUnsubscribe",
        "Please unsubscribe me. Amy",
        "[EXTERNAL] STOP",
        "(External) Please stop emailing me",
        "EXTERNAL: stop emailing me",
        "Please remove me from your mailing list.\n\nMany thanks,\nAmy",
        "Dear Sirs,\nplease unsubscribe me from your list.\nMany thanks,\nAmy Jones",
    ],
)
@pytest.mark.parametrize("head", [ANSWER, AUTOMATIC, LISTED])
def test_a_lone_clear_wish_is_obeyed_whatever_marks_the_mail(body: str, head: str) -> None:
    assert judged(body, head) == ("reply", "opt_out")


@pytest.mark.parametrize(
    "body",
    [
        "Your request #12 was received. Reply STOP to unsubscribe from ticket updates",
        "Gone fishing. Unsubscribe | Privacy | Terms",
        "We got your mail. Opt out: https://desk.test/optout",
        "You have been unsubscribed.",
        "You are now unsubscribed",
        "Your email address has been unsubscribed.",
        "Thanks\n\nIf you no longer wish to receive our newsletter, unsubscribe here",
        "Thanks\n\nUnsubscribe here",
        "Thanks\n\nManage preferences or unsubscribe",
        "Hi\n\nManage preferences or unsubscribe",
        "Hello\n\nUnsubscribe | Privacy",
        "Hi Amy,\n\nYou are receiving this because you joined. Unsubscribe here",
        "Thank you for your message. To stop receiving these messages reply STOP.",
    ],
)
@pytest.mark.parametrize("head", [ANSWER, AUTOMATIC, LISTED])
def test_a_footer_is_nobodys_wish(body: str, head: str) -> None:
    assert judged(body, head)[1] in {None, "unclear"}


@pytest.mark.parametrize(
    "body",
    [
        "Amy has left. Please remove this address from your list and write to Bob.",
        "Amy has left the company. Please take this address off your list. Bob has the rota now.",
    ],
)
def test_a_wish_among_a_machines_words_is_shown_to_staff(body: str) -> None:
    assert judged(body) == ("reply", "opt_out")
    assert judged(body, AUTOMATIC) == ("reply", "unclear")


@pytest.mark.parametrize(
    "body",
    [
        "I was unsubscribed and still get your mail",
        "Unsubscribe here",
    ],
)
def test_a_person_may_speak_of_unsubscribing(body: str) -> None:
    assert judged(body) == ("reply", "opt_out")


def mixed(body: str, attached: str, kind: str = "mixed") -> tuple[str, str | None]:
    head = f"{ANSWER}MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=x\n"
    return judged(
        f"--x\nContent-Type: text/plain\n\n{body}\n--x\nContent-Type: {attached}\n\nBEGIN:VCALENDAR\n--x--", head
    )


@pytest.mark.parametrize(
    "attached",
    [
        'text/calendar; name="leave.ics"\nContent-Disposition: attachment; filename="leave.ics"',
        "text/calendar; method=REPLY",
        "message/disposition-notification",
    ],
)
def test_an_attachment_makes_no_machine_of_a_person(attached: str) -> None:
    assert mixed("STOP", attached) == ("reply", "opt_out")
    assert mixed("I have voted", attached) == ("reply", "voted")
    assert mixed("STOP", attached, "report") == ("auto_response", None)


def test_a_calendars_answer_is_a_machines() -> None:
    assert judged("BEGIN:VCALENDAR", f"{ANSWER}Content-Type: text/calendar; method=REPLY\n") == ("auto_response", None)
    assert mixed("Amy accepted", "text/calendar; method=REPLY", "alternative") == ("auto_response", None)
    assert mixed("I have voted", "text/calendar; method=REPLY", "alternative") == ("auto_response", None)
    assert mixed("STOP", "text/calendar; method=REPLY", "alternative") == ("reply", "opt_out")


@pytest.mark.parametrize(("body", "reading"), [("STOP", "opt_out"), ("I have voted", "voted")])
@pytest.mark.parametrize("sender", ["postmaster@amys.test", "Amy <postmaster@amys.test>"])
def test_a_postmaster_may_be_a_person(body: str, reading: str, sender: str) -> None:
    mail = f"From: {sender}\nTo: r+7-abcdefgh@reply.union.test\nSubject: Re: Your vote\n\n{body}\n"
    own = read_checked(f"Return-Path: <postmaster@amys.test>\n{mail}".encode())
    assert (own["kind"], own["reading"]) == ("reply", reading)
    assert read_checked(f"Return-Path: <>\n{mail}".encode())["kind"] == "auto_response"


@pytest.mark.parametrize(
    "body",
    [
        "<s>STOP</s> ok",
        "<del>I have voted</del> ok",
        "<strike>Stop emailing me</strike><p>ok</p>",
        '<span style="text-decoration: line-through">STOP</span> ok',
        '<p style="color:#fefefe;font-size:1px">STOP</p>ok',
        '<p style="color:#fff; background-color: #FFF">STOP</p>ok',
        '<div style="position:absolute; left:-9999px">STOP</div>ok',
        '<span style="color: transparent">I have voted</span> ok',
        '<p style="font-size:0.1em">STOP</p>ok',
    ],
)
def test_struck_out_and_hidden_text_does_not_count(body: str) -> None:
    assert judged(body, f"{ANSWER}Content-Type: text/html\n") == ("reply", "unclear")


@pytest.mark.parametrize(
    "style",
    [
        "color:#ffffff",
        "color:#111;background:#fff",
        "font-size:10px",
        "font-size:12%",
        "text-decoration:none",
        "font-size:1em",
        "left:-9px",
        "text-decoration:underline",
    ],
)
def test_visible_text_counts(style: str) -> None:
    assert judged(f'<p style="{style}">STOP</p>', f"{ANSWER}Content-Type: text/html\n") == ("reply", "opt_out")
