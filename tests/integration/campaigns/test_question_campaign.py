"""A council's feedback and reminder campaigns, from the documented file to the answers: no ballot anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
import pytest
from twilio.request_validator import RequestValidator

from core.db import Connection
from core.runtime import Runtime
from core.settings import ROOT, Settings
from messaging.content.translations import day_and_time
from sandbox import Sandbox
from tests.support.clocks import FixedClock
from tests.support.console_site import Site as ConsoleSite
from tests.support.console_site import console_site
from tests.support.council_commands import of_a_ballot, run_for_council
from tests.support.inbound_rows import look, press, serve
from tests.support.member_states import Client
from tests.support.outbox_rows import SMS_FROM, deliver, with_sandbox
from tests.support.waiting import until
from webhooks import process_inbound

LONDON = ZoneInfo("Europe/London")
PEOPLE = """member id,first name,region,branch,mobile,email,language,appointment_at,place
1,Ann,North,Leeds,07400900001,,en,Tuesday 9 December at 10:20,the Town Hall
2,Bob,North,Leeds,07400900002,,en,Tuesday 9 December at 10:40,the Town Hall
3,Carys,South,Bristol,,carys@example.org,cy,,
"""


def written(folder: Path, text: str) -> Path:
    """A campaign's file that is open for a long time, and its people."""
    text = re.sub(r"(closes\s*=\s*)2026", r"\g<1>2099", text).replace(
        "[campaign]\n", '[campaign]\nquiet_hours = "none"\n'
    )
    (folder / "messages").mkdir()
    (folder / "file.toml").write_text(text, encoding="utf-8")
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return folder / "file.toml"


def plain_of(mail: EmailMessage) -> str:
    """The words of a mail's text part."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def reply(here: Runtime, client: Client, sender: str, words: str) -> None:
    form = {
        "AccountSid": here.settings.twilio_account_sid, "MessageSid": f"SM{abs(hash((sender, words))):032x}"[:34],
        "Body": words, "From": sender, "To": SMS_FROM, "NumMedia": "0",
    }  # fmt: skip
    url = f"{here.settings.public_url}/webhooks/twilio/inbound"
    signature = RequestValidator(here.settings.twilio_auth_token[0].get_secret_value()).compute_signature(url, form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/webhooks/twilio/inbound", data=urlencode(form), headers=headers)
    assert answer.status == 200
    while await process_inbound(here, 10):
        pass


@dataclass
class Feedback:
    """The feedback campaign of docs/questions.md, whose parts are tested one after the other.

    Attributes:
        here: its runtime.
        texts: everything that people and staff were shown.
    """

    here: Runtime
    settings: Settings
    sandbox: Sandbox
    folder: Path
    texts: list[str] = field(default_factory=list)

    def do(self, words: str) -> str:
        """Run a command; return what it printed."""
        done = run_for_council(self.settings, self.sandbox, self.folder, words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        self.texts.append(done.stdout + done.stderr)
        return done.stdout

    async def launch(self, db: Connection, file: str) -> None:
        path = written(self.folder, file)
        self.do(f"people import {self.folder / 'people.csv'}")
        self.texts.clear()  # that is about a member file, whatever comes of it
        self.do(f"campaign create {path}")
        made = await db.fetch("select action from audit_shown where action like '%.created' order by action")
        assert [row["action"] for row in made] == ["campaign.created", "question.created"]
        self.do("template check feedback-request --about question:visit-2026")
        assert "2  get it by text" in self.do("campaign launch visit-2026-feedback --yes")

    async def send(self) -> str:
        """Send it; return the path of Carys's link."""
        assert (await deliver(self.here)).accepted == 3
        await self.sandbox.idle()
        ann, bob = (next(self.sandbox.twilio.messages.to(f"+4474009000{n:02}")) for n in (1, 2))
        (carys,) = self.sandbox.mailbox.to("carys@example.org")
        mail = plain_of(carys.parse())
        self.texts += [ann.body, bob.body, mail]
        assert "Leeds Council here. How did we do? Reply 1 good, 2 fair, 3 poor" in ann.body
        assert "Sut wnaethom ni pan ddaethoch chi atom? Mae un clic yn ddigon" in " ".join(mail.split())
        link = re.search(r"http://muster\.test(/\w+)", mail)
        assert link is not None
        return link[1]

    async def answer(self, client: Client, clock: FixedClock, link: str) -> None:
        """Have Ann answer by text and Carys on her page."""
        await reply(self.here, client, "+447400900001", "1 nice staff")
        page = await look(client, link)
        clock.wait(seconds=60)
        page = await press(client, link, page, "answer_poor")
        self.texts.append(page.words)
        assert "Eich ateb yw “Gwael”." in page.words

    def check_commands(self) -> None:
        """See the answers on the command line."""
        output = orjson.loads(self.do("campaign status visit-2026-feedback --json"))
        assert output["answers"] == {"good": 1, "fair": 0, "poor": 1}
        assert {unit["path"]: unit["answers"]["good"] for unit in output["units"]} == {
            "North": 1, "North / Leeds": 1, "South": 0, "South / Bristol": 0,
        }  # fmt: skip
        shown = self.do("campaign status visit-2026-feedback")
        assert "2 people have answered: 1 Good (50%), 0 Fair (0%), 1 Poor (50%)." in " ".join(shown.split())
        assert "North / Leeds" in shown
        waiting = self.do("replies list")
        assert "An answer to look into" in waiting
        assert "Poor" in waiting
        assert "nice staff" in self.do("question answers visit-2026 --comments")
        why = " ".join(self.do("messages why 1").split())
        assert "In the question visit-2026 they are counted as: Good – nice staff (from a text)." in why

    async def check_console(self, site: ConsoleSite) -> None:
        """See them in the console."""
        await site.sign_in()
        for path in ("/console/", "/console/campaigns/visit-2026-feedback"):
            status, html = await site.get(path)
            assert status == 200
            self.texts.append(html)
        assert "South / Bristol" in self.texts[-1]
        assert '<th scope="row">Poor</th><td class="n">1</td><td class="n">50%</td>' in self.texts[-1]

    async def opt_out_at_the_end(self, db: Connection, client: Client, site: ConsoleSite) -> None:
        """Have Bob opt out when all is sent: answers count until the question closes."""
        await reply(self.here, client, "+447400900002", "STOP")
        await db.execute("update campaign set state = 'finished', finished_at = now()")
        told = orjson.loads(self.do("campaign status visit-2026-feedback --json"))
        assert told["opted_out"] == 1
        assert told["campaign"]["state"] == "finished"
        assert told["answers_until"] == "2099-12-07T18:00:00+00:00", "people may answer though all is sent"
        shown = " ".join(self.do("campaign status visit-2026-feedback").split())
        assert "all sent; answers count until Monday 7 December, 18:00" in shown
        assert "1 person opted out in answer to it." in shown

        async def shows_that_answers_come_in() -> bool:  # its figures may be some seconds old
            return "All sent, answers come in" in (await site.get("/console/"))[1]

        await until(shows_that_answers_come_in)
        _, html = await site.get("/console/")
        assert "1 opted out in answer to it." in html


async def test_feedback_from_the_file_in_the_documentation_to_the_answers(
    runtime: Runtime, db: Connection, settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    (file,) = re.findall(r"```toml\n(\[question\].*?)```", (ROOT / "docs/questions.md").read_text("utf-8"), re.DOTALL)
    clock = FixedClock(datetime.now(UTC) + timedelta(hours=1))
    here = replace(runtime, clock=clock, settings=with_sandbox(settings, sandbox, organisation="Northtown Council"))
    feedback = Feedback(here, settings, sandbox, tmp_path)
    await feedback.launch(db, file)
    link = await feedback.send()
    async with serve(here) as client, console_site(here) as site:
        await feedback.answer(client, clock, link)
        feedback.check_commands()
        await feedback.check_console(site)
        await feedback.opt_out_at_the_end(db, client, site)
    assert {words: of_a_ballot(words) for words in feedback.texts if of_a_ballot(words)} == {}


async def test_a_reminder_holds_date_time_and_place_and_an_answer_withdraws_the_next(
    runtime: Runtime, db: Connection, settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = (ROOT / "sandbox/demo/appointments-2026.toml").read_text("utf-8")
    again = '\n[[campaign.steps]]\ntemplate = "appointment-reminder"\nchannels = ["sms"]\n'
    path = written(tmp_path, f'{file}{again}when = {{ before = "2 hours", of = "appointment_at" }}\n')
    at = (datetime.now(LONDON) + timedelta(hours=20)).replace(minute=20)
    people = re.sub(r"Tuesday 9 December at 10:\d\d", f"{at:%d/%m/%Y %H:%M}", PEOPLE)
    (tmp_path / "people.csv").write_text(people, encoding="utf-8")
    for words in (f"people import {tmp_path / 'people.csv'}", f"campaign create {path}"):
        done = run_for_council(settings, sandbox, tmp_path, words)
        assert done.returncode == 0, done.stderr
    launched = run_for_council(settings, sandbox, tmp_path, "campaign launch appointments-2026-reminders --yes")
    assert "2  people in the audience" in launched.stdout, "Carys has no appointment"

    here = replace(runtime, settings=with_sandbox(settings, sandbox, organisation="Northtown Council"))
    await deliver(here)
    await sandbox.idle()
    text = next(sandbox.twilio.messages.to("+447400900001")).body
    said = f"{day_and_time(at, LONDON)} at the Town Hall. Reply 1 if you will come, 2 to change"
    assert f"your appointment is on {said}" in text
    assert of_a_ballot(text) == []
    async with serve(here) as client:
        await reply(here, client, "+447400900001", "1 see you then")
        await reply(here, client, "+447400900002", "I cant come, it clashes with work")
    rows = await db.fetch(
        "select external_id, answer from response_status join person using (person_id) order by external_id"
    )
    assert [tuple(row) for row in rows] == [("1", "will_attend"), ("2", "change_appointment")]
    assert await db.fetchval("select why_open from reply where state = 'open'") == "low_answer"
    withdrawn = "select count(*) from message join step using (step_id) where position = 2 and reason = 'answered'"
    assert await db.fetchval(withdrawn) == 2


async def test_a_draft_is_replaced_by_its_changed_file_with_its_question_and_nothing_else_is(
    runtime: Runtime, db: Connection, settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = written(tmp_path, (ROOT / "sandbox/demo/visit-2026.toml").read_text("utf-8"))
    create, again = f"campaign create {path}", f"campaign create {path} --replace"
    for words in (f"people import {tmp_path / 'people.csv'}", again):
        done = run_for_council(settings, sandbox, tmp_path, words)
        assert done.returncode == 0, done.stderr
    path.write_text(path.read_text("utf-8").replace('label = "Fair"', 'label = "So so"'), encoding="utf-8")
    refused = run_for_council(settings, sandbox, tmp_path, create)
    assert (refused.returncode, "already a question visit-2026" in refused.stderr) == (1, True)
    assert run_for_council(settings, sandbox, tmp_path, again).returncode == 0
    assert [row["label"] for row in await db.fetch("select label from question_answer order by position")] == [
        "Good", "So so", "Poor",
    ]  # fmt: skip
    assert await db.fetchval("select count(*) from campaign") == 1
    assert await db.fetchval("select count(*) from step") == path.read_text("utf-8").count("[[campaign.steps]]")

    assert run_for_council(settings, sandbox, tmp_path, "campaign launch visit-2026-feedback --yes").returncode == 0
    refused = run_for_council(settings, sandbox, tmp_path, again)
    assert refused.returncode == 1
    assert "only a draft, of which nothing was sent, can be replaced" in refused.stderr


@pytest.mark.parametrize("name", ["visit-2026", "appointments-2026"])
def test_the_shipped_files_are_read(name: str) -> None:
    from campaigns.spec import load_campaign_file

    spec, own = load_campaign_file(ROOT / "sandbox" / "demo" / f"{name}.toml")
    assert spec.subject == ("question", name)
    assert own is not None
