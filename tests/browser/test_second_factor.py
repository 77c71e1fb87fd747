"""Second factors on a phone: a passkey that Chromium keeps, and an authenticator app without any script."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pyotp
import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from core.runtime import Runtime
from muster.app import make_app
from staff.invitations import invite
from tests.browser.accessibility import SIDEWAYS, assert_accessible
from tests.browser.conftest import Site, Visit
from tests.browser.page_pictures import picture
from tests.support.clocks import ShiftedClock
from tests.support.staff_accounts import BY, add_account

PHONE = 360


@pytest.fixture
async def local(runtime: Runtime, browser: Browser) -> AsyncIterator[Site]:
    """The site under the one name for which browsers have passkeys without HTTPS."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base, clock = f"http://localhost:{port}", ShiftedClock()
    keys = (SecretStr("a quiet river of nine green otters at dawn"),)
    settings = runtime.settings.model_copy(update={"public_url": base, "secret_key": keys})
    runtime = replace(runtime, clock=clock, settings=settings)
    runner = web.AppRunner(make_app(runtime), access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with runtime.pool.acquire() as db:
        await add_account(db, "ada@union.test", "administrator", now=clock())
    yield Site(runtime, clock, browser, runner, base)
    await runner.cleanup()


async def give_a_finger(page: Page) -> None:
    """Give the browser a device that keeps passkeys, with a finger on it."""
    developer_tools = await page.context.new_cdp_session(page)
    await developer_tools.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    await developer_tools.send("WebAuthn.addVirtualAuthenticator", {"options": device})


async def check(visit: Visit) -> None:
    await assert_accessible(visit)
    assert await visit.page.evaluate(SIDEWAYS) == 0


PASSWORD_MANAGER = """
for (const what of ["create", "get"]) {
  const browsers = navigator.credentials[what].bind(navigator.credentials);
  navigator.credentials[what] = async (options) => {
    const made = await browsers(options), own = Object.create(PublicKeyCredential.prototype);
    for (const name of ["id", "rawId", "type", "response"]) Object.defineProperty(own, name, { value: made[name] });
    return own;
  };
}
"""
"""Answers with an object of its own, as 1Password does: the browser's toJSON() fails on it."""


@pytest.mark.parametrize("manager", ["", PASSWORD_MANAGER], ids=["browser", "password manager"])
async def test_a_passkey_is_set_up_and_signs_in_on_a_phone(local: Site, manager: str) -> None:
    async with local.visit(width=PHONE, signed_in=False) as visit:
        page = visit.page
        await page.add_init_script(manager)
        await give_a_finger(page)
        await visit.go(await local.link())
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
        await check(visit)
        await page.get_by_role("button", name="Set up a passkey").click()
        await expect(page.get_by_role("heading", name="Your passkey is set up")).to_be_focused()
        assert await page.title() == "Your passkey is set up · Muster"
        await expect(page.get_by_role("heading", name="Set up a second factor")).to_be_hidden()
        await expect(page.get_by_role("button", name="Set up an app")).to_be_hidden()
        codes = page.get_by_role("region", name="Keep these recovery codes").get_by_role("listitem")
        await expect(codes).to_have_count(10)
        await check(visit)
        await picture(page, "passkey_done")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_role("button", name="Copy").click()
        await expect(page.get_by_text("Copied.")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.split() == await codes.all_inner_texts()
        await page.get_by_role("link", name="I have kept them").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("link", name="Your account").click()
        await picture(page, "account")
        await expect(page.get_by_role("heading", name="Signed in on")).to_be_visible()
        await expect(page.get_by_text("Chrome on Linux").last).to_be_visible()
        await check(visit)

        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_text("You are signed out.")).to_be_visible()
        await expect(page.get_by_label("Your email address")).to_be_visible()
        await picture(page, "signed_out")
        await check(visit)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

        await page.get_by_role("button", name="Sign out", exact=True).click()
        await visit.go(await local.link())
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await picture(page, "confirm")
        await check(visit)
        await page.get_by_role("button", name="Use a passkey").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        assert visit.troubles == []


async def test_a_phone_without_the_passkey_is_told_so(local: Site) -> None:
    async with local.visit(width=PHONE, signed_in=False) as visit:
        await give_a_finger(visit.page)
        await visit.go("/console/sign-in")
        await visit.page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text(
            "That did not work. Try again, or ask for a link."
        )
        await check(visit)


async def test_everything_but_passkeys_works_without_scripts(local: Site) -> None:
    async with local.visit(width=PHONE, signed_in=False, java_script_enabled=False) as visit:
        page = visit.page
        await visit.go("/console/sign-in")
        await expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
        await page.get_by_label("Your email address").fill("ada@union.test")
        await page.get_by_role("button", name="Mail me a link").click()
        await expect(page.get_by_role("heading", name="Look at your mail")).to_be_visible()
        await visit.go(await local.link())
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Set up an app").click()
        picture = page.get_by_role("img", name="QR code")
        await expect(picture).to_be_visible()
        address = await page.get_by_role("link", name="open it in the app").get_attribute("href")
        found = re.search(r"secret=([A-Z2-7]+)", address or "")
        assert found is not None
        app = pyotp.TOTP(found[1])
        await page.get_by_label("Six digits").fill("1")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("alert")).to_contain_text("not the code")
        await page.get_by_label("Six digits").fill(app.at(local.clock()))
        await page.get_by_role("button", name="Continue").click()
        codes = page.get_by_label("Recovery codes").get_by_role("listitem")
        await expect(codes).to_have_count(10)
        kept = await codes.first.inner_text()
        await page.get_by_role("link", name="I have kept them").click()
        await page.get_by_role("button", name="Sign out", exact=True).click()

        await visit.go(await local.link())
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_label("Code of your authenticator app, or a recovery code").fill(kept)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await visit.go("/console/account")
        await expect(page.get_by_text("9 recovery codes left")).to_be_visible()


async def test_the_pages_around_an_app_are_accessible(local: Site) -> None:
    async with local.visit(width=PHONE, signed_in=False, scheme="dark") as visit:
        page = visit.page
        await visit.go(await local.link())
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Set up an app").click()
        await expect(page.get_by_role("img", name="QR code")).to_be_visible()
        width = await page.evaluate("document.querySelector('.qr').naturalWidth")
        assert width > 0, "it was loaded, under our content security policy"
        await picture(page, "app")
        await check(visit)
        assert visit.troubles == []


async def test_an_invitation_is_accepted_on_a_phone(local: Site) -> None:
    async with local.runtime.pool.acquire() as db:
        link = await invite(db, "bob@union.test", "Bob", "viewer", by=BY, now=local.clock())
    async with local.visit(width=PHONE, signed_in=False) as visit:
        await visit.go(link)
        await check(visit)
        await picture(visit.page, "invitation")
        await visit.page.get_by_role("button", name="Accept and sign in").click()
        await expect(visit.page.get_by_role("heading", name="Overview")).to_be_visible()
