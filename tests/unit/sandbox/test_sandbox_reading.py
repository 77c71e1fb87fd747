"""Simulated members: the links and forms they find, and the choices they make."""

from __future__ import annotations

from collections import Counter

import pytest

from campaigns.replies.classification import classify_reply
from sandbox.browser import Button, read_forms
from sandbox.mailbox import Mailbox
from sandbox.postmaster import ORDINARY, QUIRKS, Postmaster
from sandbox.profile import BY_EMAIL, BY_SMS, Profile, choose
from sandbox.received_message import read_mail, read_text
from sandbox.record import Act, Record
from sandbox.replies import OF_A_BALLOT
from sandbox.twilio.optouts import keyword

PHRASES = OF_A_BALLOT.phrases
TOKEN, OTHER = "0123456789abc", "zyxwvtsrqpnmk"
MAIL = f"""\
From: Union <ballot@union.test>
To: anna@example.test
Message-ID: <m1@union.test>
List-Unsubscribe: <mailto:out@union.test>,
 <https://muster.test/u/{OTHER}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hi Anna, have you voted? https://muster.test/{TOKEN}. News: https://else=
where.test/a
Stop: https://muster.test/u/{OTHER}
--b
Content-Type: text/html; charset=utf-8

<p>Hi <a href="https://muster.test/{TOKEN}">Anna</a> <a href='https://muster.test/trap?a=1&amp;b=2' hidden>.</a></p>
--b--
""".replace("\n", "\r\n").encode()


def test_a_mail_is_read_to_the_last_link_of_ours() -> None:
    letter = read_mail(MAIL)
    assert letter.confirm == f"https://muster.test/{TOKEN}"
    assert letter.token == TOKEN
    assert letter.unsubscribe == letter.one_click == f"https://muster.test/u/{OTHER}"
    assert "trap" not in str(letter.links)
    assert read_mail(MAIL, html_too=True).links == (
        f"https://muster.test/{TOKEN}",
        f"https://muster.test/u/{OTHER}",
        "https://muster.test/trap?a=1&b=2",
    )
    assert "Hi Anna" in letter.text


def test_links_to_anybody_else_are_never_followed() -> None:
    assert all("elsewhere" not in link for link in read_mail(MAIL).links)
    assert read_text("See https://elsewhere.test/page").links == ()


def test_without_the_post_header_there_is_no_one_click() -> None:
    assert read_mail(MAIL.replace(b"List-Unsubscribe-Post", b"X-Other")).one_click is None


def test_a_text_is_read_for_its_link() -> None:
    letter = read_text(f"Voted yet? http://127.0.0.1:8000/{TOKEN}, thanks")
    assert (letter.confirm, letter.token, letter.unsubscribe) == (f"http://127.0.0.1:8000/{TOKEN}", TOKEN, None)


def test_forms_are_found_with_their_hidden_fields_and_buttons() -> None:
    [form, undo] = read_forms(
        """<form method="post"><input type="hidden" name="nonce" value="n&amp;1">
        <input type=checkbox name=x value=1><input type=checkbox name=y checked>
        <button hidden name="answer" value="trap">x</button>
        <button name="answer" value="voted">I <b>have</b></button><button type="button" value="no">x</button>
        <input type="submit" name="answer" value="stop"></form>
        <button name="answer" value="stray">outside</button>
        <form action="/undo" method="POST"><button>Undo</button></form>""",
        "https://muster.test/a/token",
    )
    assert (form.action, form.method) == ("https://muster.test/a/token", "post")
    assert form.fields == {"nonce": "n&1", "y": "on"}
    assert form.buttons == [Button("answer", "trap", hidden=True), Button("answer", "voted"), Button("answer", "stop")]
    assert form.button() == Button("answer", "voted")
    assert form.button("trap") is None
    assert form.button("stop", "voted") == Button("answer", "voted")
    assert form.button("stray") is None
    assert (undo.action, undo.buttons) == ("https://muster.test/undo", [Button("", "")])


def test_people_do_what_their_habits_say() -> None:
    profile = Profile(seed=7)
    drawn = Counter(choose(BY_EMAIL, profile.rng(f"m{n}@x.test", 1)) for n in range(20_000))
    assert set(drawn) == {*BY_EMAIL, "ignore"}
    assert drawn["press:voted"] / 20_000 == pytest.approx(BY_EMAIL["press:voted"], abs=0.02)
    assert drawn["ignore"] / 20_000 == pytest.approx(1 - sum(BY_EMAIL.values()), abs=0.02)


def test_the_same_person_does_the_same_again() -> None:
    first, second = (choose(BY_SMS, Profile(seed=7).rng("+447700900123", 1)) for _ in range(2))
    assert first == second


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="email"):
        Profile(email={"open": 0.7, "press:voted": 0.5})


def test_every_reply_habit_has_words_and_the_keywords_are_twilios() -> None:
    assert {habit.partition(":")[2] for habit in BY_SMS if habit.startswith("reply:")} <= set(PHRASES)
    assert {keyword(text) for text in PHRASES["opt_out"]} == {"STOP"}
    others = [text for meaning, texts in PHRASES.items() if meaning != "opt_out" for text in texts]
    assert "STOP" not in {keyword(text) for text in others}


@pytest.mark.parametrize(("meaning", "text"), [(meaning, text) for meaning, texts in PHRASES.items() for text in texts])
def test_every_reply_is_classified_clearly(meaning: str, text: str) -> None:
    assert classify_reply(text).reading == meaning


def test_people_use_digits_where_digits_are_offered() -> None:
    menu = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
    offered = "Hi Anna. Reply 1 posted, 2 not yet, 3 none came.\nSTOP to opt out"
    for digit, meaning in menu.items():
        said = {OF_A_BALLOT.reply(meaning, offered, Profile().rng(f"m{n}", 1)).text for n in range(100)}
        digits = {digit, f"{digit}.", f" {digit} "}
        assert digits < said <= {*digits, *PHRASES[meaning]}
        assert {classify_reply(text, menu).reading for text in said} == {meaning}
        bare = {OF_A_BALLOT.reply(meaning, "Voted?", Profile().rng(f"m{n}", 1)).text for n in range(100)}
        assert not bare & digits


@pytest.mark.parametrize(
    ("address", "keyword_"),
    [
        ("bounce@x.test", "bounce"),
        ("Bounce.7@x.test", "bounce"),
        ("anna+full@x.test", "full"),
        ("anna.full@x.test", None),
        ("bouncer@x.test", None),
    ],
)
def test_a_quirk_is_named_in_the_local_part(address: str, keyword_: str | None) -> None:
    assert Postmaster().quirk(address) == (QUIRKS[keyword_] if keyword_ else ORDINARY)


def test_a_quirk_that_comes_once_spoils_every_first_try() -> None:
    postmaster = Postmaster()
    seen = [postmaster.quirk("anna+greylist@x.test") for _ in range(4)]
    assert seen == [QUIRKS["greylist"], ORDINARY] * 2


def test_a_share_of_mailboxes_does_not_exist_and_stays_so() -> None:
    gone = [Postmaster(bouncing=0.2).quirk(f"m{n}@x.test") is QUIRKS["bounce"] for n in range(1000)]
    assert gone == [Postmaster(bouncing=0.2).quirk(f"m{n}@X.test") is QUIRKS["bounce"] for n in range(1000)]
    assert 150 < sum(gone) < 250


def test_the_mailbox_lets_old_texts_go_but_not_the_fact_of_them() -> None:
    mailbox = Mailbox(bodies_kept=2)
    for number in range(3):
        mailbox.take("a@b.test", ("c@d.test",), b"Message-ID: <%d@x>\r\n\r\nHi" % number)
    assert [mail.raw is None for mail in mailbox] == [True, False, False]
    assert [mail.message_id for mail in mailbox.to("C@d.test")] == ["<0@x>", "<1@x>", "<2@x>"]


def test_the_mailbox_counts_copies() -> None:
    mailbox = Mailbox()
    for _ in range(3):
        mailbox.take("a@b.test", ("c@d.test",), b"Message-ID:\r\n <1@x>\r\n\r\nHi")
    mailbox.take("a@b.test", ("e@d.test",), b"Message-ID: <1@x>\r\n\r\nHi")
    assert mailbox.repeats() == {("<1@x>", "c@d.test"): 3}
    assert mailbox.counts()["repeated"] == 2


def test_the_last_answer_to_a_message_counts() -> None:
    record = Record()

    def did(address: str, message: str, what: str, route: str, answer: str, *, succeeded: bool = True) -> None:
        record.note(Act(address, "sms", message, "t", what, route, answer=answer, succeeded=succeeded))  # type: ignore[arg-type]

    did("a", "1", "answered", "link", "not_yet")
    did("a", "1", "answered", "link", "voted")
    did("b", "2", "answered", "link", "voted")
    did("b", "2", "undone", "link", "")
    did("c", "3", "answered", "link", "voted", succeeded=False)
    did("d", "4", "replied", "sms_reply", "voted")
    did("e", "5", "opted_out", "sms_reply", "stop")
    did("f", "6", "opted_out", "one_click", "stop")
    did("f", "6", "replied", "sms_reply", "opt_in")
    assert {answer.address for answer in record.confirmed()} == {"a", "d"}
    assert record.opted_out() == {"e": "sms_reply"}
    summary = record.summary()
    assert summary["confirmed"] == {"link": 1, "sms_reply": 1}
    assert summary["failed"] == {"link": {"0": 1}}
