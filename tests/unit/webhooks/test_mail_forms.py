"""The text of a mail, in any structure, charset and HTML."""

from __future__ import annotations

import pytest

from webhooks.email.inbound_mail.charsets import decode
from webhooks.email.inbound_mail.marked_lines import own_marked
from webhooks.email.inbound_mail.markup import read_html
from webhooks.email.inbound_mail.own_words import own_words
from webhooks.email.inbound_mail.parsed_mail import mailboxes, parse_mail
from webhooks.email.inbound_mail.subjects import own_subject

SENT = ("Have you posted your ballot paper?\nHi Amy, please post it today.\n\nYour Union\nStop these emails",)
PICTURE = "Content-Type: image/jpeg\nContent-Disposition: inline; filename=a.jpg\n\nabc"
FILE = "Content-Type: text/plain; name=notes.txt\nContent-Disposition: inline; filename=notes.txt\n\nSTOP all of it"


def plain(text: str) -> str:
    return f"Content-Type: text/plain\n\n{text}"


def html(text: str) -> str:
    return f"Content-Type: text/html\n\n<p>{text}</p>"


def several(kind: str, *parts: str) -> str:
    name = f"{kind}{len(''.join(parts))}"
    inner = "".join(f"--{name}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={name}\n\n{inner}--{name}--\n"


@pytest.mark.parametrize(("mail", "text", "attachments"), [
    (several("mixed", plain("Look:"), PICTURE, plain("please stop")), "Look:\n\nplease stop", 1),
    (several("mixed", PICTURE, plain("please stop")), "please stop", 1),
    (several("mixed", plain("I voted"), FILE), "I voted", 1),
    (several("mixed", html("Look:"), PICTURE, html("please stop")), "Look:\n\nplease stop", 1),
    (several("mixed", plain("Look:"), PICTURE, html("please stop")), "Look:\n\nplease stop", 1),
    (several("alternative", plain("I voted"), html("I voted")), "I voted", 0),
    (several("alternative", plain("I voted"), several("related", html("I voted"), PICTURE)), "I voted", 1),
    (several("mixed", several("alternative", plain("Hi"), html("Hi")), PICTURE, plain("stop")), "Hi\n\nstop", 1),
    (several("alternative", plain("This message is in HTML format."), html("please stop")), "please stop", 0),
    (several("alternative", plain("Your program cannot show HTML mail"), html("I voted")), "I voted", 0),
    (several("alternative", plain("I wrote this in HTML"), html("I wrote this in HTML")), "I wrote this in HTML", 0),
    (plain("Your HTML mail is broken. Stop"), "Your HTML mail is broken. Stop", 0),
])  # fmt: skip
def test_all_of_a_mail_is_read_once(mail: str, text: str, attachments: int) -> None:
    letter = parse_mail(mail.encode())
    assert (letter.text.strip(), letter.attachments) == (text, attachments)


def test_the_html_form_of_a_mail_is_whole_too() -> None:
    first = several("alternative", plain("Hi"), html("Hi"))
    assert parse_mail(several("mixed", first, PICTURE, html("stop")).encode()).html.text == "Hi\n\nstop"


@pytest.mark.parametrize(("content", "charset", "text"), [
    ("I\u2019ve voted".encode("cp1252"), None, "I\u2019ve voted"),
    ("I\u2019ve voted".encode(), None, "I\u2019ve voted"),
    ("I\u2019ve voted".encode("cp1252"), "iso-8859-1", "I\u2019ve voted"),
    ("I\u2019ve voted".encode("cp1252"), "us-ascii", "I\u2019ve voted"),
    ("I\u2019ve voted".encode("cp1252"), "utf-8", "I\u2019ve voted"),
    ("I\u2019ve voted".encode(), "us-ascii", "I\u2019ve voted"),
    ("Zo\u00eb".encode("utf-16-le"), "utf-16le", "Zo\u00eb"),
    ("\u0141ukasz".encode("iso-8859-2"), "iso-8859-2", "\u0141ukasz"),
    ("Si\u00e2n \u0175 \u0177".encode() + b"\xff", "utf-8", "Si\u00e2n \u0175 \u0177\ufffd"),
    ("Si\u00e2n \u2019".encode()[:-1], "utf-8", "Si\u00e2n "),
    ("\ud22c\ud45c\ub620".encode("cp949"), "ks_c_5601-1987", "\ud22c\ud45c\ub620"),
    ("\u6295\u7968\u2460".encode("cp932"), "cp932", "\u6295\u7968\u2460"),
    ("\u6295\u7968\u2460".encode("cp932"), "Windows-31J", "\u6295\u7968\u2460"),
    ("\u6295\u7968\u2460".encode("cp932"), "x-sjis", "\u6295\u7968\u2460"),
    ("\u6295\u7968\u2460".encode("cp932"), "shift_jis", "\u6295\u7968\u2460"),
    ("\u0e25\u0e07\u0e04\u0e30".encode("cp874"), "tis-620", "\u0e25\u0e07\u0e04\u0e30"),
    ("\u0e25\u0e07\u0e04\u0e30".encode("cp874"), "windows-874", "\u0e25\u0e07\u0e04\u0e30"),
    ("\u05d4\u05e6\u05d1".encode("iso-8859-8"), "iso-8859-8-i", "\u05d4\u05e6\u05d1"),
    ("\u0413\u043e\u043b\u043e\u0441".encode("cp866"), "cp866", "\u0413\u043e\u043b\u043e\u0441"),
    ("\u0413\u043e\u043b\u043e\u0441".encode("mac-cyrillic"), "x-mac-cyrillic", "\u0413\u043e\u043b\u043e\u0441"),
    ("\u6295\u7968\u4e86\u9555".encode("gbk"), "gb2312", "\u6295\u7968\u4e86\u9555"),
    (b"abc", "base64", "abc"),
    (b"abc", "zip", "abc"),
    (b"abc", "no such thing", "abc"),
])  # fmt: skip
def test_bytes_are_decoded_whatever_their_declared_charset(content: bytes, charset: str | None, text: str) -> None:
    assert decode(content, charset) == text


def test_headers_and_texts_without_a_charset_are_read() -> None:
    for encoding in ("utf-8", "cp1252"):
        letter = parse_mail("Subject: I\u2019ve voted\n\nI\u2019ve voted".encode(encoding))
        assert letter.header("Subject") == letter.text == "I\u2019ve voted"


@pytest.mark.parametrize("hiding", [
    'style="display:none"', "style='color:red; DISPLAY : none !important'", 'style="visibility:hidden"', "hidden",
    'style="mso-hide:all"', 'style="font-size:0px;color:#fff"', 'style="max-height: 0; overflow: hidden"',
    'style="opacity:0"', 'style="height:0;overflow:hidden"', 'style="width: 0px; overflow-y : hidden"',
    'style="position:absolute;clip:rect(0,0,0,0)"', 'style="clip: rect(0 0 0 0)"', 'style="clip-path:inset(50%)"',
    'style="color:rgba(0,0,0,0)"', 'style="color:rgb(0 0 0 / 0)"', 'style="color:#0000"', 'style="disp/**/lay:none"',
    'style="d\\69splay:none"', 'style="text-decoration:underline line-through"', 'style="color:#fdfdfd"',
    'style="color: rgb(255 255 255)"', 'style="color:hsl(0, 0%, 100%)"', 'style="color:white"',
    'style="background:#036;color:rgb(0,51,102)"', 'style="margin-left:-1000px"',
])  # fmt: skip
@pytest.mark.parametrize("tag", ["div", "span", "p", "td", "a", "font"])
def test_hidden_text_is_not_read(hiding: str, tag: str) -> None:
    wrapped = f"<table><tr><td>x</td><{tag} {hiding}>stop</{tag}></tr></table>" if tag == "td" else ""
    words = read_html(wrapped or f"<{tag} {hiding}>stop <b>me</b></{tag}>I have voted").text
    assert "stop" not in words
    assert wrapped or words == "I have voted"


@pytest.mark.parametrize(
    "style",
    [
        "display:block",
        "font-size:0.9em",
        "opacity:0.5",
        "max-height:10px",
        "line-height:0",
        "margin-left:-100px",
        "height:0",
        "overflow:hidden",
        "color:white",
        "color:#fdfdfd;background:black",
        "color:rgb(20 20 20)",
        "color:rgba(0,0,0,0.8)",
        "clip:rect(0,200px,20px,0)",
        "background:#036;color:#fff",
    ],
)
def test_visible_text_is_read(style: str) -> None:
    assert read_html(f'<div style="{style}">please stop</div>').text == "please stop"


@pytest.mark.parametrize(("outer", "inner"), [
    ("font-size:0", "font-size:14px"), ("font-size:1px;line-height:1px", "font-size:1.1em"),
    ("color:#fff;background:#fff", "color:#333"), ("background:navy;color:navy", "color:white"),
])  # fmt: skip
def test_text_made_visible_again_is_read(outer: str, inner: str) -> None:
    html = f'<table style="{outer}"><tr><td>hid</td><td style="{inner}">STOP</td></tr></table>'
    assert read_html(html).text.split() == ["STOP"]


@pytest.mark.parametrize(("html", "text"), [
    ("<style>.gone{text-decoration:line-through}</style><span class=gone>I have voted</span> not yet", "not yet"),
    ("<style>p.a, div.b { display:none } .c{color:red}</style><p class='x a'>STOP</p><p class=c>yes</p>", "yes"),
    ("<style>@media print{.a{display:none}}</style><p class=a>STOP</p>", "STOP"),
    ("<body bgcolor=black><p style='color:gray'>Hi</p><p style='color:white'>STOP</p></body>", "Hi\n\nSTOP"),
    ("<body style='background:#000'>Hi <b style='color:#fff'>STOP</b></body>", "Hi STOP"),
    ("<p>Hi</p><font color='#ffffff'>STOP</font>", "Hi"),
    ("<table bgcolor=navy><tr><td style='color:#fff'>STOP</td></tr></table>", "STOP"),
    ("<div style='color:#fff'><p>STOP</p><p>Cat</p></div>", "STOP\n\nCat"),
    ("<div style='background:#222'>Hi<p style='color:#212121'>STOP</p></div>", "Hi"),
])  # fmt: skip
def test_styles_of_classes_and_colours_are_known(html: str, text: str) -> None:
    assert read_html(html).text == text


@pytest.mark.parametrize("encoding", ["BASE64 ", " base64", "base64 (text)", '"base64"', "Base64;", "base64\t"])
def test_a_transfer_encoding_is_known_however_it_is_written(encoding: str) -> None:
    raw = f"Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nU1RPUA==\r\n"
    assert parse_mail(raw.encode()).text == "STOP"


def test_nested_comments_are_no_mailbox() -> None:
    assert mailboxes("(" * 1900) == []
    assert mailboxes("Ann (at (the (union))) <ann@member.test>")[0][1] == "ann@member.test"
    assert mailboxes("(a)" * 100 + "<ann@member.test>")[0][1] == "ann@member.test"


@pytest.mark.parametrize(("subject", "own"), [
    ("Re: Have you posted your ballot paper?", ""), ("Have you posted your ballot paper?", ""),
    ("RE: Fwd: [Members] have you posted your ballot...", ""), ("Re: [SPAM] Have you posted your ballot paper", ""),
    ("Re: STOP", "STOP"), ("STOP", "STOP"), ("Re: Have you posted your ballot paper? STOP", "STOP"),
    ("STOP - Have you posted your ballot paper?", "STOP"), ("Leave me alone (was: Have you posted)", "Leave me alone"),
    ("", ""), ("Re:", ""), ("Re: my house move", "my house move"), ("***STOP***", "***STOP***"),
    ("Antwort: STOP", "STOP"), ("EXT: STOP", "STOP"), ("Next: what do I do", "Next: what do I do"),
])  # fmt: skip
def test_a_members_own_words_in_a_subject_are_read(subject: str, own: str) -> None:
    assert own_subject(subject, SENT) == own


@pytest.mark.parametrize("before", [
    "Antwort: ", "R\u00e9f : ", "V\u00e1: ", "\u56de\u590d: ", "\u56de\u590d\uff1a", "EXT: Re: ", "***SPAM*** Re: ",
    "Re(2): ", "RV: ", "R: ", "Odp: ", "VL: ", "**EXTERNAL** AW: ", "{SPAM?} ", "<External> Re: ", "Spam: ",
    "Possible spam: Re: ", "Re^2: ",
])  # fmt: skip
def test_prefixes_added_by_programs_are_not_read(before: str) -> None:
    assert own_subject(f"{before}Have you posted your ballot paper?", SENT) == ""


def test_a_subject_without_its_message_counts_only_as_a_wish() -> None:
    assert [own_subject(subject, ()) for subject in ("Re: Your vote", "Re: STOP", "My vote")] == ["", "STOP", "My vote"]


@pytest.mark.parametrize(("text", "own"), [
    ("Hi,\n> keep in mind I have voted\nthanks", "Hi,\nkeep in mind I have voted"),
    (">please stop emailing me", "please stop emailing me"),
    ("> STOP", "STOP"),
    ("> please post it today\nI did", "I did"),
    ("> Stop these emails\nwhat?", "what?"),
    ("Bob says:\n> stop emailing me\nwhat?", "Bob says:\nwhat?"),
    (">> stop emailing me\nwhat?", "what?"),
    ("On 3 Nov 2026 at 10:00, Bob <b@u.test> wrote:\n> stop emailing me\n\nwhat?", "what?"),
    ("> a newsletter\n> of somebody\n> else, to leave it\n> unsubscribe\nwhat?", "what?"),
])  # fmt: skip
def test_a_mark_makes_no_quotation_of_a_persons_own_line(text: str, own: str) -> None:
    assert own_words(text, (), SENT) == own


def test_without_the_message_only_a_lone_marked_line_is_the_members() -> None:
    assert own_marked(["> please stop"], ()) == [0]
    assert own_marked(["> please stop", "> now"], ()) == own_marked(["Hi", "> please stop"], ()) == []
