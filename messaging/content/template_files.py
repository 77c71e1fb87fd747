"""Files of message templates: `messages/<name>/sms.txt` and `email.md` in one of the template folders.

`sms.cy.txt` and `email.cy.md` are the Welsh version, for people with `language = cy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast, get_args

from core.errors import NotFound, TemplateError
from messaging.content import expressions
from messaging.content.expressions import nearest
from messaging.content.front_matter import File, read_file
from messaging.content.languages import DEFAULT, code, language_name
from messaging.content.layout import find_layout
from messaging.content.markup import convert
from messaging.content.menus import read_menu
from messaging.content.templates import Template, usual_reason
from messaging.states import MessagePurpose

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FILE: Final = re.compile(r"(sms(?=.*\.txt\Z)|email(?=.*\.md\Z))(?:\.([A-Za-z0-9_-]+))?\.(txt|md)")
_SMS_KEYS: Final = frozenset({"purpose", "menu", "language"})
_EMAIL_KEYS: Final = frozenset({"purpose", "subject", "preheader", "why", "language"})


def list_templates(roots: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of all templates in the given folders."""
    return tuple(sorted({path.name for root in roots for path in _folders(root)}))


def _folders(root: Path) -> Iterator[Path]:
    for path in sorted((root / "messages").glob("*")):
        if _NAME.fullmatch(path.name) and path.is_dir() and any(_FILE.fullmatch(part.name) for part in path.iterdir()):
            yield path


def load_template(roots: Sequence[Path], name: str) -> Template:
    """Read one template with its translations.

    Args:
        roots: template folders; the first that has the template wins.
        name: the folder's name.

    Raises:
        NotFound: there is no such template.
        TemplateError: it cannot be read; the error names file and line.
    """
    folder = next((path for root in roots for path in _folders(root) if path.name == name), None)
    if folder is None:
        known = list_templates(roots)
        raise NotFound(
            f"There is no message template “{name}”.{nearest(name, known)}",
            remedy=f"There are {', '.join(known)}." if known else "Make one: messages/<name>/sms.txt or email.md.",
        )
    parts = _parts(folder)
    own = parts.pop("", (None, None))
    for suffix, part in parts.items():
        for file, whole in zip(part, own, strict=True):
            if file is not None and whole is None:
                plain = file.body.file.replace(f"{suffix}.", ".")
                raise TemplateError(
                    f"There is {file.body.file}, but no {plain}.",
                    remedy="That is the one for everybody whose language there is no file for.",
                )
    read = [file for file in own if file is not None]
    language = _language(read)
    purpose = _purpose(name, [file for part in ((*own,), *parts.values()) for file in part if file is not None])
    template = _read(name, purpose, own, language)
    template = replace(
        template,
        layout=find_layout(folder, roots) if template.email is not None else "",
        translations={
            code.removeprefix("."): _read(name, purpose, part, code.removeprefix("."), code, template.menu)
            for code, part in parts.items()
        },
    )
    if language in template.translations:
        spoken_in = language_name(language)
        raise TemplateError(
            f"The template {name} is in {spoken_in} twice: in files that say so in their names, and in those without.",
            remedy=f"Take one away, or say “language: …” at the top of the latter, if they are not in {language}.",
        )
    for version in (template, *template.translations.values()):
        _check_readable(version)
    return template


_Part = tuple[File | None, File | None]


def _parts(folder: Path) -> dict[str, _Part]:
    """Read the SMS file and the email file of each language, by the suffix in their names: "" or `.cy`."""
    by_language: dict[str, dict[str, File]] = {}
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        language = code(match[2]) if match[2] else ""
        if language is None:
            raise TemplateError(
                f"{folder.name}/{path.name}: “{match[2]}” is not a language's code.",
                remedy=f"Codes have two or three letters: {match[1]}.cy.{match[3]} is Welsh.",
            )
        suffix = f".{language}" if language else ""
        part = by_language.setdefault(suffix, {})
        if match[1] in part:
            raise TemplateError(
                f"{folder.name}/{path.name} and {part[match[1]].body.file} are the same language twice.",
                remedy="Take one of the two away; the other may have its code in capitals or with an underscore.",
            )
        part[match[1]] = read_file(path, _SMS_KEYS if match[1] == "sms" else _EMAIL_KEYS)
    return {suffix: (part.get("sms"), part.get("email")) for suffix, part in by_language.items()}


def _language(files: Sequence[File]) -> str:
    """Return the language of the files without a language in their names."""
    files_by_word = {word: file for file in files if (word := file.word("language"))}
    for word, file in files_by_word.items():
        if code(word) is None:
            raise TemplateError(
                f"{file.body.file}: “{word}” is not a language's code.",
                remedy="Codes have two or three letters, such as en or cy.",
            )
    codes = {code(word) or DEFAULT for word in files_by_word}
    if len(codes) > 1:
        names = " and ".join(file.body.file for file in files)
        raise TemplateError(
            f"{names} are in {' and '.join(sorted(codes))}.", remedy="Give one a name such as sms.cy.txt."
        )
    return next(iter(codes), DEFAULT)


def _read(
    name: str,
    purpose: MessagePurpose,
    part: _Part,
    language: str,
    suffix: str = "",
    menu: Mapping[str, str] | None = None,
) -> Template:
    """Read the files of one language; a translation without a menu has the template's menu."""
    sms, email = part
    for file in (file for file in part if file is not None and suffix):
        if file.word("language") not in {"", language}:
            raise TemplateError(
                f"{file.body.file} says that it is in {file.word('language')}, and its name {language}.",
                remedy="Take “language: …” out of the file; its name says it.",
            )
    return Template(
        name=name,
        purpose=purpose,
        sms=sms.body.text.strip() if sms else None,
        subject=email.word("subject") if email else None,
        email=email.body.text.strip("\n") if email else None,
        menu=read_menu(sms, menu or {}) if sms else {},
        preheader=email.word("preheader") if email else "",
        why=(email.word("why") if email else "") or usual_reason(language),
        lines=(_first_line(sms), _first_line(email)),
        head_lines=email.lines if email else {},
        language=language,
        suffix=suffix,
    )


def _first_line(file: File | None) -> int:
    if file is None:
        return 1
    text = file.body.text
    return file.body.line + text[: len(text) - len(text.lstrip("\n"))].count("\n")


def _purpose(name: str, files: Sequence[File]) -> MessagePurpose:
    """Return the purpose that all files agree on; at least one must have it."""
    if not (purposes := {file.body.file: purpose for file in files if (purpose := file.word("purpose"))}):
        raise TemplateError(
            f"The template {name} does not say what it is for.",
            remedy="Add “purpose: service” (neutral information) or “purpose: marketing” between --- lines at the top.",
        )
    for file, purpose in purposes.items():
        if purpose not in get_args(MessagePurpose):
            raise TemplateError(f"{file}: the purpose is service or marketing, not “{purpose}”.")
    if len(set(purposes.values())) > 1:
        raise TemplateError(f"The template {name} is {' by one channel and '.join(purposes.values())} by the other.")
    return cast("MessagePurpose", next(iter(purposes.values())))


def _check_readable(template: Template) -> None:
    """Check that a template can be rendered at all: no empty texts, bad syntax or markup that does not close."""
    if template.sms == "":
        raise TemplateError(f"{template.sms_source().file} has no text.")
    if template.email is not None:
        file = template.email_source().file
        if not template.email.strip():
            raise TemplateError(f"{file} has no text.")
        if not template.subject:
            raise TemplateError(f"{file} has no subject.", remedy="Add “subject: …” between --- lines at its top.")
        convert(template.email_source())
    for source in template.sources():
        expressions.parse(source)
