"""A campaign whose worker is restarted and whose web server is killed in the middle: nobody notices.

(A worker that is killed outright is in tests/integration/messaging/test_outbox_crash.py: its leases run out first.)
"""

import os
import signal
from pathlib import Path

from ballots.ballots import create_ballot
from ballots.spec import load_ballot_spec
from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from campaigns.spec import load_campaign_spec
from muster.demo_host import DemoHost
from muster.operator import operator
from sandbox.demo.ballot import CAMPAIGN, BallotScenario, check_voters
from sandbox.demo.environment import Environment, open_environment
from sandbox.demo.home import new_demo_home
from sandbox.demo.reconcile import People, check_delivery
from sandbox.demo.scenario import shifted
from sandbox.demo.settling import until_settled
from sandbox.demo.union import write_union
from sandbox.profile import Profile
from tests.support.member_files import import_members
from tests.support.waiting import until

MEMBERS = 600


async def end(environment: Environment, name: str, how: signal.Signals) -> None:
    process = environment.processes[name]
    os.kill(process.pid, how)
    await process.wait()


async def test_everybody_is_asked_once_though_worker_and_web_server_restart_in_the_middle(tmp_path: Path) -> None:
    async with open_environment(
        new_demo_home(tmp_path, DemoHost()), Profile(seed=3), DemoHost(), BallotScenario.organisation
    ) as environment:
        members = tmp_path / "members.csv"
        write_union(members, MEMBERS, 10)
        await import_members(environment.runtime.pool, members)
        spec = tmp_path / "spec.toml"
        words = shifted(CAMPAIGN.read_text(encoding="utf-8"), environment.runtime.clock().date())
        spec.write_text(words + "\n[campaign.pace]\nemail = 60\n", encoding="utf-8")
        async with environment.runtime.pool.acquire() as db:
            ballot = await create_ballot(db, load_ballot_spec(spec), actor=operator("staff"))
        campaign = await create_campaign(environment.runtime, load_campaign_spec(spec), operator("test"))
        await launch(environment.runtime, campaign.campaign_id, operator("test"))
        mailbox = environment.sandbox.mailbox

        await until(lambda: len(mailbox) >= 40, "the first mails", seconds=60)
        await end(environment, "worker", signal.SIGTERM)
        before = len(mailbox)
        await environment.start("worker")
        await until(lambda: len(mailbox) > before + 40, "mails from the second worker", seconds=60)
        await end(environment, "serve", signal.SIGKILL)
        await environment.start("serve")
        await environment.until_ready()
        await until_settled(environment)

        async with environment.runtime.pool.acquire() as db:
            counts = await db.fetch("select state::text, count(*) from message group by 1")
            states = {row["state"]: row["count"] for row in counts}
            people = await People.load(db, environment.runtime.keyring)
            confirmed = environment.sandbox.record.confirmed()
            checks = [
                *await check_delivery(db, environment.sandbox, people),
                *await check_voters(db, ballot.ballot_id, confirmed, people),
            ]
        assert states.keys() <= {"accepted", "failed", "skipped", "suppressed"}, "everybody has an end"
        assert sum(states.values()) == MEMBERS
        assert states["accepted"] == len(mailbox) > 300
        # who pressed a button in the instant of the kill saw no answer, so the sandbox does not count on it
        unanswered = sum(act.status == 0 and not act.succeeded for act in environment.sandbox.record.acts)
        for check in checks:
            of_presses = check.name.startswith(("voted", "opted out", "confirmations"))
            assert 0 <= check.muster - check.sandbox <= (unanswered if of_presses else 0), check
