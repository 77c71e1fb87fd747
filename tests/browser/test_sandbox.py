"""The sandbox's own pages in a browser: answering as a member, and reading what was sent on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import aiosmtplib
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from sandbox import Sandbox, SandboxConfig, TwilioConfig, open_sandbox
from tests.browser.accessibility import RULES, SIDEWAYS

MAX = "+447700900126"
SUBJECT = "Your ballot paper for the pay ballot of the whole union of 2026 is on its way to you"
MAIL = (
    "From: The Union <ballots@union.test>\r\nReply-To: help@union.test\r\nTo: maximiliana.longname@example.test\r\n"
    f"Subject: {SUBJECT}\r\nMessage-ID: <m1@union.test>\r\n\r\nPress https://muster.test/abc\r\n"
)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig(twilio=TwilioConfig(sent_after=(0, 0), delivered_after=(0, 0)))) as opened:
        port = int(opened.smtp_url.partition("?")[0].rpartition(":")[2])
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            await smtp.sendmail("b@union.test", ["maximiliana.longname@example.test"], MAIL.encode())
        account = opened.config.twilio
        async with (
            aiohttp.ClientSession(opened.twilio_base_url) as http,
            http.post(
                f"/2010-04-01/Accounts/{account.account_sid}/Messages.json",
                data={"To": MAX, "From": "+447480000001", "Body": "Have you voted? https://muster.test/x"},
                headers={"Authorization": aiohttp.encode_basic_auth(account.account_sid, account.auth_token)},
            ) as answer,
        ):
            assert answer.status == 201
        yield opened


async def test_the_buttons_of_a_phone_answer_as_its_owner(sandbox: Sandbox, browser: Browser) -> None:
    page = await browser.new_page()
    # by the address that browsers tell where a form comes from (Fetch Metadata), and by one where they do not
    for base in (sandbox.twilio_base_url, sandbox.twilio_base_url.replace("127.0.0.1", "sandbox.localhost")):
        await page.goto(f"{base}/phones/{MAX}")
        await page.get_by_label("Answer as this member").fill(f"I voted, by {base}")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".bubble.in").last).to_contain_text(f"I voted, by {base}")
    await page.get_by_role("button", name="STOP").click()
    await expect(page.locator(".bubble.in").last).to_contain_text("STOP")
    assert sandbox.record.opted_out() == {MAX: "sms_reply"}
    await page.context.close()


async def test_a_page_of_another_site_still_answers_for_nobody(sandbox: Sandbox, browser: Browser) -> None:
    page = await browser.new_page()
    await page.route(
        "http://evil.localhost/**",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{sandbox.twilio_base_url}/phones/{MAX}">'
            '<input name="text" value="STOP"><button>Win a prize</button></form>',
        ),
    )
    await page.goto("http://evil.localhost/")
    async with page.expect_response("**/phones/*") as answer:
        await page.get_by_role("button", name="Win a prize").click()
    assert (await answer.value).status == 403
    assert sandbox.record.acts == []
    await page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
async def test_every_page_can_be_read_at_every_width(
    sandbox: Sandbox, browser: Browser, width: int, scheme: str
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    for path in ("/", "/mails/1", f"/phones/{MAX}", "/mails/77"):
        await page.goto(sandbox.twilio_base_url + path)
        assert await page.evaluate(SIDEWAYS) == 0, path
        violations = (await Axe().run(page, options=RULES)).response["violations"]
        assert not violations, (
            path,
            [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations],
        )
        await expect(page.get_by_text("kept only while it runs")).to_be_visible()
    await expect(page.get_by_role("heading", name="There is no such mail")).to_be_visible()
    await page.goto(sandbox.twilio_base_url)
    link = page.get_by_role("link", name=SUBJECT)
    box = await link.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert await page.evaluate("[...document.querySelectorAll('.card')].every((c) => c.scrollWidth <= c.clientWidth)")
    await link.click()
    await expect(page.get_by_role("heading", name=SUBJECT)).to_be_visible()
    for words in ("The Union <ballots@union.test>", "maximiliana.longname@example.test", "help@union.test"):
        await expect(page.get_by_role("cell", name=words, exact=True).first).to_be_visible()
    await context.close()
