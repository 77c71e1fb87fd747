"""A person's own words are kept: no meaningful line is removed unless it is in a quotation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reply_cases import cases
from webhooks.email.inbound_mail.added_lines import speaks_for_itself
from webhooks.email.inbound_mail.endings import without_ending
from webhooks.email.inbound_mail.own_words import own_words
from webhooks.email.inbound_mail.quoted_text import marks_quotation, names_in

NAMES = names_in("Ann Jones", "ann.jones@member.test")
SAID = sorted({
    case.text
    for name in ("replies.tsv", "replies_hard.tsv", "replies_standard.tsv")
    for case in cases(name)
    if "\n" not in case.text and case.text == case.text.strip() and speaks_for_itself(case.text)
})  # fmt: skip
"""Every line of the sets that reads as an opt-out or a claim where it stands alone."""
AROUND = [
    "Hi", "Dear all,", "Good morning Karen,", "I have a question about the ballot.", "My husband has died.",
    "Thanks", "Ann", "Ann Jones\nUnit 7\n0113 496 0000", "Kind regards,", "--", "-- ",
    "______________________________", "==================", "[EXTERNAL EMAIL]", "*** EXTERNAL EMAIL ***",
    "CAUTION: This email originated from outside the council. Do not click links.",
    "This email is confidential and intended for the addressee.", "DISCLAIMER: I do not speak for my employer.",
    "To unsubscribe from our mailing list click here", "Unsubscribe | Privacy policy | Contact us",
    "You are receiving this because you are subscribed to Staff News. Unsubscribe here", "Sent from my iPhone",
    "Get Outlook for Android", "> Have you voted?\n> Reply STOP to stop.", "Registered charity 1234567",
    "Name: Ann Jones\nEmail: ann@member.test\nDOB: 1/2/1970", "Date of birth: 1/2/1970 Postcode: LS1 1AA",
    "Member number: 1234567\nEmail: ann@member.test\nDate: 1/2/2026\nTo: the union",
]  # fmt: skip
"""Lines that may stand above and below, none of them the beginning of a quoted mail."""


@settings(max_examples=400)
@given(
    st.sampled_from(SAID), st.lists(st.sampled_from(AROUND), max_size=4), st.lists(st.sampled_from(AROUND), max_size=4),
    st.sampled_from(["\n", "\n\n"]),
)  # fmt: skip
def test_a_meaningful_line_is_kept_whatever_surrounds_it(
    said: str, above: list[str], below: list[str], gap: str
) -> None:
    assert said in own_words(gap.join([*above, said, *below]), NAMES).split("\n")


def test_blank_lines_above_what_cannot_be_read_take_no_words_away() -> None:
    details = "Name: Ann Jones\nEmail: ann@member.test\nDOB: 1/2/1970"
    for text in ("I have voted", "Please ring me"):
        words = own_words(f"{text}\n\nThanks\n\nHi\n\n{details}", NAMES)
        assert words.split("\n")[0] == text
        assert words.endswith(details)


@pytest.mark.parametrize("said", SAID)
def test_nothing_a_member_says_looks_added(said: str) -> None:
    for text in (said, f"Hello\n\n{said}", f"I have a question.\n{said}\n\nThanks,\nAnn", f"Ann\n{said}"):
        assert said in own_words(text, NAMES).split("\n")
        assert said in own_words(text, names_in("Stop", "unsubscribe@voted.test")).split("\n")


@pytest.mark.parametrize("text", [
    "Sent by post yesterday",
    "Sent it by mail on Monday",
    "Sent my ballot in the mail today",
    "Sent it on Monday by Royal Mail",
    "Sent two weeks ago, three of us did",
    "Sent from the post office in Leeds",
    "Sent via my rep on my mobile",
    "Sent my vote from the library, by iPad",
    "Get my ballot paper to me by mail",
    "Get me off your mail list",
    "Get a new paper to me for my mobile home",
    "Download the form for me on my phone",
    "Yahoo mail is rubbish. STOP",
    "Anfonwyd drwy'r post ddydd Llun",
    "Verstuurd met de post",
])  # fmt: skip
def test_a_sentence_is_not_sent_from_a_telephone(text: str) -> None:
    for mail in (text, f"Hello,\n\n{text}\n\nAnn", f"I have a question.\n{text}\nCan you help?"):
        assert text in own_words(mail, NAMES).split("\n")


@pytest.mark.parametrize("line", [
    "Sent from my iPhone", "Sent from my iPhone. Please excuse typos", "Sent from Mail for Windows 10",
    "Sent from Yahoo Mail for iPhone", "Sent from my Samsung Galaxy smartphone on EE", "Sent from my phone",
    "Sent via the Samsung Galaxy S10, an AT&T 5G smartphone", "Sent from the all-new AOL app for iOS",
    "Sent with Proton Mail secure email.", "Get Outlook for iOS<https://aka.ms/o0ukef>",
    "Sent from TypeApp for Android", "Sent with Sparrow (http://www.sparrowmailapp.com/?sig)",
    "Outlook für Android herunterladen", "Télécharger Outlook pour Android", "Envoyé depuis mon mobile Orange",
    "Enviado do meu iPhone", "Enviado desde Yahoo Mail con Android", "Wysłane z iPhone'a",
    "Отправлено с iPhone", "发自我的iPhone", "iPhoneから送信", "iPhone’umdan gönderildi", "Lähetetty iPhonesta",
    "Anfonwyd o fy iPhone", "Anfonwyd o fy ffôn",
    "Diese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.",
])  # fmt: skip
def test_a_telephone_is_known_by_the_whole_line(line: str) -> None:
    assert own_words(f"I have voted\n\n{line}", NAMES) == "I have voted"
    assert own_words(line, NAMES) == ""  # so that a STOP in the subject is read


@pytest.mark.parametrize(("text", "words"), [
    ("[EXTERNAL EMAIL]\n______________________________\nSTOP", "STOP"),
    ("CAUTION: This email came from outside\n==================\nI have voted", "I have voted"),
    ("==================\nEXTERNAL\n==================\n\nI have voted", "I have voted"),
    ("My rep said hello\n==================\nSTOP", "My rep said hello\nSTOP"),
    ("I have voted\n__________________\nFrom: The Union", "I have voted"),
    ("I have voted\n__________________\n\nOn 1 Nov 2026, The Union <b@union.test> wrote:\n\nSTOP", "I have voted"),
])  # fmt: skip
def test_a_drawn_line_alone_begins_no_quotation(text: str, words: str) -> None:
    assert own_words(text, NAMES) == words


def test_a_banner_with_a_line_marks_no_quotation() -> None:
    assert not marks_quotation("[EXTERNAL EMAIL]\n______________________________\nSTOP")


@pytest.mark.parametrize("text", [
    "Hi,\n\nUnsubscribe from this list",
    "Hello,\n\nTo opt out, reply STOP",
    "Hi\nDisclaimer aside, I have voted",
    "Good morning\n\nIf you no longer want me I will go to another union. I have voted.",
    "Dear all,\n\nTo be removed I was told to reply here",
    "My husband has died.\nUnsubscribe from this list",
    "Not happy.\nDisclaimer aside, I have voted",
    "I am fed up.\nClick here to unsubscribe does not work",
    "I have moved.\nUnsubscribe - I have had enough",
    "I have moved.\nYou can unsubscribe me, my email is ann@member.test",
    "Notice: stop sending me mail",
    "Important - take me off your email list",
    "Registered to vote and voted, thanks",
])  # fmt: skip
def test_a_wish_or_an_answer_is_no_notice(text: str) -> None:
    assert own_words(text, NAMES) == text


@pytest.mark.parametrize(("text", "left"), [
    ("I have a question.\n--\nAnn Jones\nPlease unsubscribe me", "I have a question.\nPlease unsubscribe me"),
    ("Hi\n-- \nUnit 7, Leeds\nSTOP", "Hi\nSTOP"),
    ("I have a question.\nThis email is confidential.\nDo not read it.\nSTOP", "I have a question.\nSTOP"),
    ("Thanks\n\nTo unsubscribe from our mailing list click here\nTo opt out visit https://a.test", "Thanks"),
])  # fmt: skip
def test_below_a_notice_only_what_says_something_is_kept(text: str, left: str) -> None:
    assert without_ending(text, NAMES) == left


@pytest.mark.parametrize("details", [
    "Name: Ann Jones\nEmail: ann@member.test\nDOB: 1/2/1970",
    "Name: Ann Jones\nMember number: 1234567\nEmail: ann@member.test\nDate: 1/2/2026 10:15\nTo: the union",
    "Date: 1/2/2026\nTo: the union\nName: Ann Jones\nEmail: ann@member.test",
    "Enw: Ann Jones\nE-bost: ann@member.test\nDyddiad geni: 1/2/1970\nCod post: LL57 2DG",
    "Nom: Jones\nE-mail: ann@member.test\nNée le: 1/2/1970\nAdresse: 1 rue A",
    "Ward: 7\nShift: nights\nPager: ann@member.test\nStarted: 1/2/1990",
    "Name: Ann Email: ann@member.test DOB: 1/2/1970",
    "To: the union\nFrom: Ann Jones\nSubject: my vote",
    "To: the union\nDate: 1 December 2026\nSubject: my vote",
    "Date: 1/12/2026\nTo: whom it may concern",
    "Ward: 7\nAt: Leeds\nPager: ann@member.test\nStarted: 1/2/1990",
])  # fmt: skip
def test_details_people_give_of_themselves_are_no_quoted_mail(details: str) -> None:
    for words in ("Please unsubscribe me", "I have voted"):
        for text in (f"{details}\n\n{words}", f"{details}\n{words}", f"Hello,\n\n{words}\n\n{details}"):
            assert own_words(text, {"zed"}) == text


def test_a_letters_head_with_the_writers_own_name_is_theirs() -> None:
    head = "From: Ann Jones\nTo: The Union\nDate: 1 December 2026\nSubject: my vote"
    assert own_words(f"Hello,\n{head}\n\nI have voted", NAMES) == f"Hello,\n{head}\n\nI have voted"
    union = head.replace("Ann Jones", "The Union <b@union.test>")
    assert own_words(f"{union}\n\nI have voted", NAMES) == ""
    # what they wrote before, and send back below, is a quoted mail like any other
    assert own_words(f"Not yet\n\n{head}\n\nI have voted", NAMES) == "Not yet"
    assert own_words(f"{head}\n\nI have voted\n\n{union}\n\nSTOP", NAMES) == f"{head}\n\nI have voted"


@pytest.mark.parametrize("headers", [
    "Nuo: The Union <b@union.test>\nIšsiųsta: 2026 m. lapkričio 28 d. 10:15\nKam: ann@member.test\nTema: x",
    "Ab: The Union <b@union.test>\nCd: 28 Abcdef 2026 10:15\nEf: ann@member.test\nGh: x",
    "From: The Union <b@union.test>\nTo: ann@member.test\nSubject: x",
])  # fmt: skip
def test_headers_are_known_in_a_language_nobody_listed(headers: str) -> None:
    text = f"I have voted\n\n{headers}\n\nName: {{{{ first_name }}}}\nStop these emails"
    assert own_words(text, NAMES) == "I have voted"


@pytest.mark.parametrize("text", [
    "External members have not had any email about this. Could somebody explain?",
    "External members have not had any email about this.",
    "Important question: does this email go to agency staff as well?",
    "Notice the email says Friday but the ballot paper says Thursday. Which is right?",
    "Attention: is this email a fake, with that link?",
    "[EXTERNAL] is this email really from you?",
    "The rep says so.\nWarning: the email with the link came from outside the union.",
])  # fmt: skip
def test_a_question_is_no_banner_and_a_warning_stands_at_the_top(text: str) -> None:
    kept = text.removeprefix("[EXTERNAL] ")
    for above in ("", "Hello,\n\n", "CAUTION: This email came from an external sender. Do not click links.\n\n"):
        assert own_words(f"{above}{text}\n\nCheers", NAMES).startswith(
            f"Hello,\n\n{kept}" if "Hello" in above else kept
        )


@pytest.mark.parametrize("tag", [
    "[EXTERNAL] ", "[External Email] ", "(EXT) ", "***SPAM*** ", "<<EXTERNAL>> ", "[EXTERN]: ", "[WARNING: EXTERNAL] ",
    "EXTERNAL: ", "EXT: ",
])  # fmt: skip
def test_a_servers_mark_on_the_line_of_the_words_is_removed(tag: str) -> None:
    assert own_words(f"{tag}STOP", NAMES) == "STOP"
    assert own_words(f"Hello\n{tag}I have voted", NAMES) == "Hello\nI have voted"


@pytest.mark.parametrize(
    "text", ["(external candidates have no vote, I think)", "External: members in Leeds", "Ext: 4412"]
)
def test_a_word_before_a_colon_of_the_writers_is_kept(text: str) -> None:
    assert own_words(f"See here.\n{text}", NAMES) == f"See here.\n{text}"
