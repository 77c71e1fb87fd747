"""Words about a delivery in a report's text and subject: it failed, it is still being tried, the mail arrived."""

from __future__ import annotations

import re
from typing import Final, Literal

from webhooks.email.inbound_mail.quoted_text import without_re

_DELAYED: Final = re.compile(
    r"\bwarning (?:message )?only|\bdo not need to resend|\bno action is required"
    r"|\bdelivery (?:delayed|incomplete|attempts? (?:will|continue)|is (?:being )?(?:delayed|retried|attempted))"
    r"|\bwill (?:continue|keep|be) (?:to )?(?:try|trying|retry|retrying|retried|reattempt|attempt|queued)"
    r"|\bwill (?:re-?)?(?:try|attempt)\b|\b(?:going|due) to be (?:re-?)?(?:attempted|tried)"
    r"|\bno need to (?:re-?send|send \w+(?: \w+)? again)|\bneed not (?:re-?send|be re-?sent)"
    r"|\b(?:for|another|next|up to) \w+ more (?:hours?|days?)\b|\bmore (?:attempts|tries)\b"
    r"|\bnot (?:yet )?been delivered (?:yet|for|after)\b|\b(?:has been|was|is|being) delayed\b"
    r"|\b(?:keep\w*|continu\w*|go(?:es|ing)? on|carr\w+ on|persist\w*)\b[^.\n]{0,30}"
    r"\b(?:re)?(?:try\w*|tries|tried|attempt\w*|deliver(?:y|ing|ed)?|send\w*)\b"
    r"|\b(?:not|n['\u2019]t|never) (?:yet )?(?:been )?"
    r"(?:giv(?:en|e|ing) up|stopped|abandoned|(?:a |the )?(?:final|permanent))\b"
    r"|\b(?:still|remains?|stays?|waits?|waiting|kept|is)\b[^.\n]{0,20}"
    r"\b(?:queued?|spool\w*|pending|in progress|on hold|underway)\b"
    r"|\bnot (?:yet )?(?:reached|arrived)\b[^.\n]{0,60}\byet\b"
    r"|\bfurther (?:attempts|tries) follow"
    r"|\bstill (?:trying|being)|\b(?:attempts|retries|tries) (?:will )?continue|\b(?:attempts|retries) will be made\b"
    r"|\b(?:we|it|server|system|host|relay)\b[^.\n]{0,30}\b(?:try|tries|retry|retries|attempts?)\b[^.\n]{0,30}\b(?:again|later|further)"
    r"|\btransient (?:error|failure|problem)|\btemporary problem delivering\b"
    r"|\bheld\b[^.\n]{0,20}\b(?:retry|queue|delivery)|\bqueued? (?:for|until)\b|\bnext (?:attempt|try)\b"
    r"|verzögert|weiter(?:hin)? versuch|versuchen (?:wir )?es weiter|wird erneut|retard[ée]"
    r"|\bnoch \w+ (?:tage|stunden)\b|\bwird noch\b[^.\n]{0,30}versucht|weitere versuche"
    r"|nouvelle tentative|nouvel essai|autres tentatives|nouvelles tentatives"
    r"|\bseguirá (?:re)?intentando|\bnuevos intentos|\bulteriori tentativi|\bverrà ritentat|\bnieuwe pogingen"
    r"|\bnovas tentativas"
    r"|\bcontinuar\w* tentando|\bdal(?:iwn|iaf)? i (?:geisio|drio)|\bceisi\w* eto\b"
    r"|retrasad|aplazad|se reintentar|rinviat|\britard|ponown\w+ pr[óo]b|opóźni|vertraagd|opnieuw geprobeerd"
    r"|continuar\w* a tentar|tentar\w* (?:novamente|de novo|outra vez)|\bem espera\b|\bna fila\b"
    r"|f(?:ö|oe?)rsen(?:a|ing)|f(?:ö|oe?)rdr(?:ö|oe?)j|forts(?:ä|æ|ae?|e)tter\b"
    r"|\bny(?:a|e|t|tt)? f(?:o|ö|oe)rs"
    r"|f(?:ö|oe?)rs(?:ö|oe?)k\w* (?:igen|p(?:å|aa?) nytt)|forsink|(?:prøver|forsøg\w*|forsøk\w*) (?:igen|på nytt|på ny)"
    r"|viiväst|yrit\w+ uudelleen|zpožděn|oneskoren|késleltet|újrapróbál|gecik|yeniden dene|întârzi|reîncerc"
    r"|再試行|遅延|重试|延迟|延遲"
    r"|\badiad|\batrasad|отложен|повторн\w+ попытк|\boedi\b",
    re.IGNORECASE,
)
_NO_MORE: Final = re.compile(
    r"\b(?:no|nor|any|without) (?:further|more|longer|other|subsequent|additional)\b"
    r"|\bnot (?:be|try|retry|attempt|continue|keep|go on)\b|\bwon['\u2019]t\b"
    r"|\bkeine (?:weiteren|erneuten)|\baucun|\bne (?:sera|seront)|\bplus d['\u2019]autres|\bno se (?:seguir|har)",
    re.IGNORECASE,
)
"""Words before the words of a delay that mean that nothing is tried any more."""
_NOW_ENDED: Final = re.compile(r"\bfor good\b|\bnow (?:\w+ )?(?:failed|given up|been returned)\b", re.IGNORECASE)
"""Words behind the words of a delay that mean that it is over."""
_FAILED: Final = re.compile(
    r"\b(?:could|can|was|were|has|have|is)(?: ?n[o']t| not)(?: been)?(?: be)? (?:successfully )?delivered"
    r"|\bundeliver|\bnot deliver|\bdelivery (?:\w+ ){0,3}(?:fail|error|problem)|\bfailed permanently"
    r"|\b(?:failed|unable|trouble|error|problem|attempting|trying)\b.{0,20}\bdeliver|\berror (?:message|sending)"
    r"|\breturned to sender|\bdid not reach\b|(?<![\w.])5\d\d[ -]#?5\.[0-7]\.\d{1,3}\b"
    r"|nicht (?:\w+ )?zugestellt|unzustellbar|n'a pas pu [êe]tre (?:remis|distribu)"
    r"|no (?:se )?(?:ha )?(?:podido|pudo) (?:ser )?entreg",
    re.IGNORECASE,
)
_ARRIVED: Final = re.compile(
    r"\b(?:was|were|been|is|are)\s+(?:\w+\s+)?(?:delivered|relayed|forwarded)\b|\bdelivered to\b|\breached\b"
    r"|(?:^|[:;,])[ \t*-]*(?:delivered|successful)\b(?!-)|\bsuccessful (?:delivery|recipients?)\b"
    r"|\breceived (?:the|your) (?:message|e?-?mail|original|copy)|\baccepted (?:the|your|this) (?:message|e?-?mail)"
    r"|\bha(?:s|ve) (?:got |received )?(?:it|your (?:message|mail|e-?mail))\b"
    r"|\b(?:was|were|been|is|are)\s+(?:\w+\s+){0,2}(?:stored|saved|filed|kept|archived|deposited)\b"
    r"|\b(?:is|are|put|placed|left|lies|waits) in (?:the|her|his|their|its) (?:\w+ )?(?:mail ?box|inbox|folder)\b"
    r"|\b(?:gespeichert|abgelegt|enregistrée?|conservée?|almacenado|guardado|archiviat[oa]|opgeslagen|armazenad[oa])\b"
    r"|\bdelivery to\b[^\n]{0,80}\bis complete\b|\bsuccessfully (?:delivered|relayed)\b"
    r"|\b(?:mit|avec|con|com) (?:erfolg|succès|éxito|successo|sucesso)\b|\berfolgreich zugestellt\b"
    r"|\bzugestellt an\b|\b(?:remis|distribu[ée]|livr[ée]) [àa]\b|\bentregado a\b|\bconsegnato a\b"
    r"|\bwedi['\u2019]i (?:d?danfon|anfon|gyflwyno|chyflwyno)\b",
    re.IGNORECASE | re.MULTILINE,
)
_NOT: Final = re.compile(
    r"\bnot\b|n[\'\u2019]t\b|\b(?:never|no|none|cannot|unable|before|until|fail\w*|after|nicht|kein\w*|pas|non|niet)\b",
    re.IGNORECASE,
)
_WARNINGS: Final = re.compile(r"\W{0,3}warning\b\W{0,3}(?:could not send|message)\b", re.IGNORECASE)
_INTRODUCES: Final = re.compile(
    r"\W{0,3}(?:warning|(?:mail |message )?delivery(?: status)?(?: report| notification)?|(?:status )?report"
    r"|notification|notice|status|information)\W{0,3}$",
    re.IGNORECASE,
)
"""Words before a colon in a subject that introduce the outcome, not the subject of the mail."""
_WAITS: Final = re.compile(
    r"\bdelay|\bstill (?:being|trying)|\bretr(?:y|ie|ying)|\bdeferred\b|\btemporar|\btransient\b|\bincomplete\b"
    r"|\bwarning message|\bpending\b|\bqueued\b|\bnot yet\b|\bnoch nicht\b|\bpas encore\b|\b(?:aún|todavía) no\b"
    r"|\bnon ancora\b"
    r"|verzöger|retard|différ|retras|aplaza|ritard|rinvia|opóźni|vertraag|adiad|atras|отложен|задерж|\boedi\b",
    re.IGNORECASE,
)
_SUCCEEDED: Final = re.compile(
    r"^\W{0,3}(?:delivered|zugestellt|remis|livré|entregado|consegnato|entregue|bezorgd|dostarczono|доставлено"
    r"|wedi['\u2019]i (?:d?danfon|anfon))\W{0,3}$|\b(?:was|has been|(?:message|mail)) delivered\b"
    r"|(?<!not )\bsuccess|\berfolgreich|\bsuccès|\béxito|\((?:delivered|delivery)\)",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(
    r"\bfail|\bundeliver|\bcould(?: not|n['\u2019]t)|\bcan(?:not|['\u2019]t)\b|\bunable|\bno longer"
    r"|\breturn(?:ed|ing) to|\bgiv\w+ up|\bunsuccess|\bnot success|\bexceeded\b|\bexpired\b|(?<!noch )\bnicht\b|\bkein"
    r"|\b(?:sans|sin|senza|sem|zonder|bez) (?:succ|éxit|suces|resul|powod)"
    r"|(?<!aún )(?<!todavía )\bno (?:se )?(?:ha|pudo)\b",
    re.IGNORECASE,
)
"""Words of a subject that mean that the delivery failed, whatever else it says …"""
_FOR_NOW: Final = re.compile(
    r"\btemporar\w* (?:\w+ )?(?:fail|error|problem)|\btemporar\w* (?:un\w+|not)\b"
    r"|\bfail\w*\W{1,3}(?:temporar\w*|transient|delay\w*)\b(?! address)"
    r"|\btransient (?:\w+ )?fail|\bwill (?:be )?retr",
    re.IGNORECASE,
)
"""… unless it failed for the time being."""
_RELAYED: Final = re.compile(r"^\W{0,3}(?:relayed|expanded)\W{0,3}$|\((?:relay(?:ed)?|expanded)\)", re.IGNORECASE)


def says_delayed(text: str) -> bool:
    """Tell whether a report's text says that the mail's delivery is still being tried."""
    return any(
        _NO_MORE.search(text[max(match.start() - 30, 0) : match.end()]) is None
        and _NOW_ENDED.search(text, match.end()) is None
        for match in _DELAYED.finditer(text)
    )


def says_failed(text: str) -> bool:
    """Tell whether a report's text says that a delivery failed."""
    return _FAILED.search(text) is not None


def says_arrived(text: str) -> bool:
    """Tell whether a report's text says that a mail arrived somewhere."""
    return any(_NOT.search(text[max(match.start() - 40, 0) : match.end()]) is None for match in _ARRIVED.finditer(text))


def outcome_in(subject: str, returned: str = "") -> Literal["delayed", "delivered", "relayed"] | None:
    """Return the outcome that a report's subject gives, if the mail did not fail; None if it failed or is not said.

    Args:
        subject: of the report.
        returned: subject of the mail that it is about, which many repeat behind a colon; "" if it is unknown.
    """
    own = without_re(subject)
    if _WARNINGS.match(own):
        return "delayed"
    own = own.replace(returned, "") if returned.strip() else own
    words, _, behind = own.partition(":")
    words = behind if _INTRODUCES.match(words) else words
    if _ENDED.search(words) and not _FOR_NOW.search(words):
        return None
    if _WAITS.search(words) or says_delayed(words):
        return "delayed"
    return "relayed" if _RELAYED.search(words) else "delivered" if _SUCCEEDED.search(words) else None
