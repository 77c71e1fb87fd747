"""Message templates: `messages/<name>/sms.txt` and `email.md` in one of the template folders.

Everything that can be wrong with a template is found when it is loaded and checked, before a campaign exists; what was
checked travels with the campaign's step (`to_json`), so that editing a file never changes what is being sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from messaging.content import expressions
from messaging.content.expressions import Source, nearest
from messaging.content.front_matter import File, read_file
from messaging.content.layout import find_layout
from messaging.content.markup import convert
from messaging.content.segments import beyond_gsm7, count, sanitise
from messaging.errors import NotFound, TemplateError

Purpose = Literal["service", "marketing"]
Channel = Literal["sms", "email"]

PERSONAL: Final = frozenset(
    {"first_name", "last_name", "full_name", "member_id", "unit", "branch", "workplace", "region", "language"}
)
"""What every person brings, beside their attributes."""
CONSTANTS: Final = frozenset({"organisation", "contact", "ballot"})
"""The same for everybody in a step."""
LINKS: Final = frozenset({"confirm_link", "unsubscribe_link", "preferences_link"})
"""Made for each message."""
STANDARD_VARIABLES: Final = PERSONAL | CONSTANTS | LINKS
BALLOT_FIELDS: Final = frozenset({"title", "opens", "closes", "last_posting", "replacement_by"})

_SAMPLE: Final = {"organisation": "", "contact": "", "ballot": dict.fromkeys(BALLOT_FIELDS, "")}

_WHY: Final = "You get this email because {{ organisation }} holds this address for you."
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SMS_KEYS: Final = frozenset({"purpose", "menu"})
_EMAIL_KEYS: Final = frozenset({"purpose", "subject", "preheader", "why"})
_KEYWORD: Final = re.compile(r"\b(?:reply|text|send)\W+(yes|start|unstop|cancel|end|quit|help|info)\b", re.IGNORECASE)
"""Words the SMS provider itself acts on, so that no member's reply with them ever means what the text says."""
_LONG: Final = 3


@dataclass(frozen=True, slots=True)
class Template:
    """What a message says, in every channel it can go by.

    Attributes:
        name: its folder.
        purpose: `service` (neutral information) or `marketing` (promotes something; needs consent).
        sms: the text, with its expressions; None where it cannot go by SMS.
        subject: of the email, with its expressions.
        email: Markdown, with its expressions; None where it cannot go by email.
        menu: the digits the SMS offers as replies, and what each means: `{"1": "voted"}`.
        preheader: the line mail programs show after the subject.
        why: the line in an email's foot that says why one gets it.
        layout: the HTML page its email stands in; "" for the one Muster brings.
        lines: the line of `sms.txt` and of `email.md` where the text itself starts.
    """

    name: str
    purpose: Purpose
    sms: str | None = None
    subject: str | None = None
    email: str | None = None
    menu: Mapping[str, str] = field(default_factory=dict)
    preheader: str = ""
    why: str = _WHY
    layout: str = ""
    lines: tuple[int, int] = (1, 1)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels it can go by."""
        return tuple(cast("Channel", name) for name in get_args(Channel) if getattr(self, name) is not None)

    @property
    def variables(self) -> frozenset[str]:
        """Every variable it asks for."""
        return frozenset(name for source in self.sources() for name in expressions.names(expressions.parse(source)))

    def sources(self) -> Iterator[Source]:
        """Every piece of it that holds expressions."""
        if self.sms is not None:
            yield self.sms_source()
        if self.email is not None:
            yield self.email_source()
            yield from (
                Source(f"{self.name}/email.md", text) for text in (self.subject, self.preheader, self.why) if text
            )

    def sms_source(self) -> Source:
        """The text of the SMS."""
        return Source(f"{self.name}/sms.txt", self.sms or "", self.lines[0])

    def email_source(self) -> Source:
        """The Markdown of the email."""
        return Source(f"{self.name}/email.md", self.email or "", self.lines[1])

    def check(self, known: Collection[str], *, sms_from: str | None = None) -> None:
        """Find now whatever would fail on the 40,000th message.

        Args:
            known: every variable there is; Muster's own constants and links need not be in it.
            sms_from: who texts come from, as in MUSTER_SMS_FROM; None where that is not known yet.

        Raises:
            TemplateError: with one line for each thing wrong.
        """
        names = frozenset(known) | CONSTANTS | LINKS
        problems = [problem for source in self.sources() for problem in _unknown(source, names)]
        if not problems:
            problems += [problem for source in self.sources() for problem in _fails(source, self.variables)]
        if self.sms is not None and sms_from and _cannot_be_answered(sms_from):
            problems += self._problems_of_a_name(sms_from)
        if problems:
            raise TemplateError(
                f"The template {self.name} cannot be used.",
                problems=problems,
                remedy="“muster template check” lists the variables there are.",
            )

    def _problems_of_a_name(self, sms_from: str) -> Iterator[str]:
        file = self.sms_source().file
        if self.menu:
            yield f"{file}: it offers digits to reply with, but texts from “{sms_from}” cannot be answered."
        asked = expressions.names(expressions.parse(self.sms_source())).keys()
        has_number = re.search(r"\d{5,}", (self.sms or "").replace(" ", ""))
        if not asked & {*LINKS, "contact"} and not has_number:
            yield (
                f"{file}: texts from “{sms_from}” cannot be answered with STOP, and it says no other way to opt out. "
                "Add {{ unsubscribe_link }} or a number."
            )

    def warnings(self, *, sms_from: str | None = None) -> tuple[str, ...]:
        """What is allowed but seldom meant, one sentence each."""
        return tuple(self._warnings(sms_from))

    def _warnings(self, sms_from: str | None) -> Iterator[str]:
        if self.sms is not None:
            yield from self._sms_warnings(self.sms, sms_from)
        if self.email is not None and "confirm_link" not in self.email and "ballot" in self.variables:
            yield "The email speaks of a ballot but has no {{ confirm_link }}: nobody can answer it."

    def _sms_warnings(self, sms: str, sms_from: str | None) -> Iterator[str]:
        plain = "".join(piece.text for piece in expressions.pieces(self.sms_source()) if piece.kind == "text")
        if "ballot" in self.variables and "confirm_link" not in sms and not self.menu:
            yield "The text speaks of a ballot but has neither {{ confirm_link }} nor a menu: nobody can answer it."
        if keyword := _KEYWORD.search(plain):
            yield f"The SMS provider itself acts on the reply “{keyword[1].upper()}”; offer digits instead."
        if not (sms_from and _cannot_be_answered(sms_from)) and not re.search(r"\bSTOP\b", plain):
            yield "The text does not say that STOP opts out."
        cleaned = sanitise(plain)
        if cleaned.replaced:
            yield "Replaced in the text: " + ", ".join(f"{one.name} ({one.times})" for one in cleaned.replaced) + "."
        if dear := beyond_gsm7(cleaned.text):
            yield f"The text has {' '.join(dear)}, which GSM-7 has not: a segment holds 70 characters instead of 160."
        if (counted := count(cleaned.text)).segments > _LONG:
            yield f"Before any name is filled in, the text already costs {counted.segments} segments."

    def to_json(self) -> dict[str, Any]:
        """The template as it is kept with a step: what was approved is what is sent."""
        return asdict(self) | {"menu": dict(self.menu), "lines": list(self.lines)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Template:
        """The template that `to_json` kept."""
        known = {one.name for one in fields(cls)}
        values = {key: value for key, value in kept.items() if key in known}
        return cls(**values | {"lines": tuple(kept.get("lines", (1, 1)))})


def _cannot_be_answered(sms_from: str) -> bool:
    """Whether a sender is a name: letters in it, and not a messaging service."""
    return bool(re.search(r"[A-Za-z]", sms_from)) and not re.fullmatch(r"MG[0-9a-fA-F]{32}", sms_from)


def _unknown(source: Source, known: frozenset[str]) -> Iterator[str]:
    tree = expressions.parse(source)
    for name, line in sorted(expressions.names(tree).items(), key=lambda item: item[1]):
        if name not in known:
            yield f"{source.at(line)}: there is no variable “{name}”.{nearest(name, known)}"
    for asked, line in expressions.fields(tree, "ballot"):
        if asked is None:
            yield f"{source.at(line)}: “ballot” needs a field, such as ballot.title."
        elif asked not in BALLOT_FIELDS:
            yield f"{source.at(line)}: there is no “ballot.{asked}”.{nearest(asked, BALLOT_FIELDS)}"


def _fails(source: Source, variables: Collection[str]) -> Iterator[str]:
    """What goes wrong when it is said: to somebody of whom everything is known, and to somebody of whom nothing is."""
    for value in ("Sample", ""):
        try:
            expressions.compiled(source, _SAMPLE)(dict.fromkeys(variables, value))
        except TemplateError as error:
            yield f"{error.message} (variables are texts: compare them with texts)"
            return


def list_templates(roots: Sequence[Path]) -> tuple[str, ...]:
    """The names of all templates in the given folders."""
    return tuple(sorted({path.name for root in roots for path in _folders(root)}))


def _folders(root: Path) -> Iterator[Path]:
    for path in sorted((root / "messages").glob("*")):
        if _NAME.fullmatch(path.name) and any((path / part).is_file() for part in ("sms.txt", "email.md")):
            yield path


def load_template(roots: Sequence[Path], name: str) -> Template:
    """Read one template.

    Args:
        roots: template folders; the first that has it wins.
        name: the folder's name.

    Raises:
        NotFound: there is no such template.
        TemplateError: it cannot be read; file and line are named.
    """
    folder = next((path for root in roots for path in _folders(root) if path.name == name), None)
    if folder is None:
        known = list_templates(roots)
        raise NotFound(
            f"There is no message template “{name}”.{nearest(name, known)}",
            remedy=f"There are {', '.join(known)}." if known else "Make one: messages/<name>/sms.txt or email.md.",
        )
    sms = read_file(folder / "sms.txt", _SMS_KEYS) if (folder / "sms.txt").is_file() else None
    email = read_file(folder / "email.md", _EMAIL_KEYS) if (folder / "email.md").is_file() else None
    template = Template(
        name=name,
        purpose=_purpose(name, [file for file in (sms, email) if file]),
        sms=sms.body.text.strip() if sms else None,
        subject=email.word("subject") if email else None,
        email=email.body.text.strip("\n") if email else None,
        menu=_menu(sms) if sms else {},
        preheader=email.word("preheader") if email else "",
        why=(email.word("why") if email else "") or _WHY,
        layout=find_layout(folder, roots) if email else "",
        lines=(_first_line(sms), _first_line(email)),
    )
    _check_readable(template)
    return template


def _first_line(file: File | None) -> int:
    if file is None:
        return 1
    text = file.body.text
    return file.body.line + text[: len(text) - len(text.lstrip("\n"))].count("\n")


def _purpose(name: str, files: Sequence[File]) -> Purpose:
    """The purpose both files agree on; an SMS may leave it to the email."""
    said = {file.body.file: purpose for file in files if (purpose := file.word("purpose"))}
    if not said:
        raise TemplateError(
            f"The template {name} does not say what it is for.",
            remedy="Add “purpose: service” (neutral information) or “purpose: marketing” between --- lines at the top.",
        )
    for file, purpose in said.items():
        if purpose not in get_args(Purpose):
            raise TemplateError(f"{file}: the purpose is service or marketing, not “{purpose}”.")
    if len(set(said.values())) > 1:
        raise TemplateError(f"The template {name} is {' by one channel and '.join(said.values())} by the other.")
    return cast("Purpose", next(iter(said.values())))


def _menu(sms: File) -> dict[str, str]:
    """The digits a text offers, each of which it must speak of."""
    offered = sms.head.get("menu") or {}
    if not isinstance(offered, dict):
        raise TemplateError(f"{sms.body.file}: the menu must be like “menu: {{1: voted, 2: not_voted}}”.")
    menu = {str(digit): str(meaning) for digit, meaning in offered.items()}
    for digit, meaning in menu.items():
        if not re.fullmatch(r"[0-9]", digit) or not re.fullmatch(r"[a-z][a-z_]*", meaning):
            raise TemplateError(f"{sms.body.file}: “{digit}: {meaning}” in the menu is not a digit and a meaning.")
        if not re.search(rf"(?<![0-9]){digit}(?![0-9])", sms.body.text):
            raise TemplateError(
                f"{sms.body.file}: the menu offers {digit} ({meaning}), but the text does not speak of it.",
                remedy=f"Say in the text what {digit} is for, or take it out of the menu.",
            )
    return menu


def _check_readable(template: Template) -> None:
    """Refuse what cannot be rendered for anybody: empty texts, bad syntax, markup that does not close."""
    if template.sms == "":
        raise TemplateError(f"{template.name}/sms.txt has no text.")
    if template.email is not None:
        if not template.email.strip():
            raise TemplateError(f"{template.name}/email.md has no text.")
        if not template.subject:
            raise TemplateError(
                f"{template.name}/email.md has no subject.", remedy="Add “subject: …” between --- lines at its top."
            )
        convert(template.email_source())
    for source in template.sources():
        expressions.parse(source)
