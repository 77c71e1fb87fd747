"""Ballot and campaign files, and what is said about a wrong one."""

import re
import tomllib
from copy import copy
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballots.spec import load_ballot_spec
from campaigns.spec import CampaignSpec, Filter, Quiet, StepSpec, Window, load_campaign_file, load_campaign_spec
from campaigns.subjects.kinds import KINDS
from campaigns.subjects.notice import NoticeSpec
from core.errors import SpecError
from core.spec_errors import names_instead
from core.spec_file import TABLES, at_zone

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")

BALLOT = """
[ballot]
name = "pay"
title = "Pay"
opens = 2026-11-02
closes = 2026-12-07T12:00:00
"""
CAMPAIGN = """
[campaign]
name = "nudges"
title = "Nudges"
about = { ballot = "pay" }
[[campaign.steps]]
template = "ballot-reminder"
channels = ["email", "sms"]
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(tmp_path: Path, text: str) -> list[str]:
    path = _file(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        (load_campaign_spec if "[campaign]" in text else load_ballot_spec)(path)
    return list(caught.value.problems)


def test_the_file_in_the_docs_is_right(tmp_path: Path) -> None:
    complete, notice, window, audience = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    path = _file(tmp_path, complete)
    ballot, campaign = load_ballot_spec(path), load_campaign_spec(path)
    assert (ballot.threshold, ballot.last_posting) == (0.5, date(2026, 12, 3))
    assert campaign.quiet_hours == (time(20), time(8))
    assert [step.channels for step in campaign.steps] == [("email", "sms"), ("sms",), ("sms", "email")]
    assert campaign.steps[1].when.after == timedelta(days=3)
    assert campaign.steps[2].audience == Filter(not_=Filter(answered=("refused",)))
    campaign, kind_of_file = load_campaign_file(_file(tmp_path, notice))
    assert (campaign.subject, isinstance(kind_of_file, NoticeSpec)) == (("notice", "bins"), True)
    assert Filter.model_validate(tomllib.loads(audience)["campaign"]["audience"]).answered is False
    assert Window.model_validate(tomllib.loads(window)["campaign"]["window"]).days == (1, 2, 3, 4, 5)


def test_every_key_is_documented() -> None:
    for model in (Filter, StepSpec):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}" in DOCS, name
    for name, field in Window.model_fields.items():
        assert re.search(rf"^{field.alias or name} +=.*#", DOCS, re.MULTILINE), name


def test_the_demo_file_is_right() -> None:
    path = ROOT / "sandbox" / "demo" / "pay-2026.toml"
    campaign = load_campaign_spec(path)
    assert campaign.subject == ("ballot", load_ballot_spec(path).name)
    night = Quiet(time(21), time(8), ("sms",))
    assert {campaign.quiet(step) for step in campaign.steps if "sms" in step.channels} == {night}, "people copy it"


def test_a_campaign_without_a_ballot_key_takes_the_files_own(tmp_path: Path) -> None:
    path = _file(tmp_path, BALLOT + CAMPAIGN.replace('about = { ballot = "pay" }', ""))
    assert load_campaign_spec(path).subject == ("ballot", "pay")


def test_every_kind_of_subject_has_a_table() -> None:
    assert set(TABLES) == {"campaign", *KINDS}
    assert all(kind == subject.kind for kind, subject in KINDS.items())


@pytest.mark.parametrize(
    ("about", "subject"),
    [('about = "notice"', ("notice", "nudges")), ('about = { ballot = "pay-2" }', ("ballot", "pay-2"))],
)
def test_the_subject_of_a_campaign_is_read_in_each_form(tmp_path: Path, about: str, subject: tuple[str, str]) -> None:
    path = _file(tmp_path, BALLOT + CAMPAIGN.replace('about = { ballot = "pay" }', about))
    assert load_campaign_spec(path).subject == subject


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ("", 'campaign.about: say what it is about: { ballot = "…" } or { question = "…" } or "notice"'),
        ('about = "ballot"', "campaign.about: say what it is about"),
        ('about = "notices"', "campaign.about: say what it is about"),
        ('about = { notice = "x" }', "campaign.about: say what it is about"),
        ('about = { ballot = "" }', "campaign.about: say what it is about"),
        ('about = { ballot = "a", notice = "b" }', "campaign.about: say what it is about"),
        ('ballot = "pay"', 'campaign.ballot: is not a key here; write about = { ballot = "pay" }'),
        ('about = "notice"\nwindow = { zone = "ballot" }', 'campaign.window.zone: write "subject" for the time zone'),
    ],
)
def test_a_campaign_about_nothing_that_there_is(tmp_path: Path, about: str, problem: str) -> None:
    [line] = _problems(tmp_path, CAMPAIGN.replace('about = { ballot = "pay" }', about))
    assert line.startswith(problem), line


def test_a_file_with_two_subjects_has_to_say_which(tmp_path: Path) -> None:
    text = BALLOT + CAMPAIGN.replace('about = { ballot = "pay" }', "") + "[notice]\n"
    [line] = _problems(tmp_path, text)
    assert line.startswith("campaign.about: is missing, and the file holds a ballot and a notice; write { ballot")
    alone = _file(tmp_path, CAMPAIGN.replace('about = { ballot = "pay" }', "") + '[notice]\ntitle = "News"\n')
    assert load_campaign_file(alone)[0].subject == ("notice", "nudges")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("threshold = 50", "ballot.threshold: is a share: write 0.5 for 50%"),
        ("treshold = 0.4", "ballot.treshold: is not a key here; did you mean threshold?"),
        ("closes = 2026-11-01", "ballot.closes: the ballot closes before it opens"),
        ('closes = "soon"', "ballot.closes: write a date such as 2026-11-02"),
        ("last_posting = 2027-01-01", "ballot.last_posting: must lie between"),
        ('time_zone = "Europe/Lundon"', "ballot.time_zone: Europe/Lundon is not a time zone"),
        ('name = "pay ballot"', "ballot.name: may hold only letters"),
        ('title = ""', "ballot.title: is empty"),
    ],
)
def test_a_wrong_ballot_names_its_key(tmp_path: Path, change: str, problem: str) -> None:
    key = change.partition(" ")[0]
    lines = [line for line in BALLOT.splitlines() if not line.startswith(f"{key} ")]
    [line] = _problems(tmp_path, "\n".join([*lines, change]))
    assert line.startswith(problem)


@pytest.mark.parametrize(
    ("addition", "problem"),
    [
        ('[[campaign.steps]]\ntemplate = "x"\nchannels = ["post"]', "campaign.steps[2].channels[1]: 'post' is not"),
        ('[[campaign.steps]]\nchannels = ["sms"]', "campaign.steps[2].template: is missing"),
        ('[[campaign.steps]]\ntemplate = "x"\nchannels = []', "campaign.steps[2].channels: needs at least one entry"),
        ('[[campaign.steps]]\ntemplate = "x"\nchannels = ["sms", "sms"]', "campaign.steps[2].channels: names a"),
        ('when = { after = "3 days" }', "campaign.steps[1].when.after: the first step has none before it"),
        ('when = { after = "soon" }', "campaign.steps[1].when.after: write a time such as"),
        ('when = { at = 2026-11-05, after = "1d" }', "campaign.steps[1].when.after: say either at or after"),
        ('quiet_hours = "20-8"', "campaign.steps[1].quiet_hours"),
        ('[campaign.audience]\nunitt = "x"', "campaign.audience.unitt: is not a key here; did you mean unit?"),
        ('[campaign.audience]\nnot = { hass = "sms" }', "campaign.audience.not.hass: is not a key here"),
        ("[campaign.audience]\nany = []", "campaign.audience.any: needs at least one entry"),
        ('[campaign.audience]\nany = [{}, {has = "sms"}]', "campaign.audience: holds an empty filter"),
        ('[campaign.audience]\nhas = "fax"', "campaign.audience.has[1]: 'fax' is not one of 'sms' or 'email'"),
        ("[campaign.audience]\nattribute = { grade = 5 }", "campaign.audience.attribute.grade"),
        ("[campaign.pace]\nsms = 0", "campaign.pace.sms: must be greater than 0"),
        ("audience = { received = 2 }", "campaign.steps[1].audience.received: there is no step 2 before it"),
    ],
)
def test_a_wrong_campaign_names_its_key(tmp_path: Path, addition: str, problem: str) -> None:
    [line] = _problems(tmp_path, CAMPAIGN + addition)
    assert line.startswith(problem), line


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    lines = _problems(tmp_path, BALLOT.replace("title", "titel") + "opns = 1")
    assert [line.partition(":")[0] for line in lines] == ["ballot.title", "ballot.titel", "ballot.opns"]


def test_problems_of_the_ballot_and_of_the_campaign_are_shown_together(tmp_path: Path) -> None:
    text = BALLOT.replace("closes", "closing") + CAMPAIGN.replace("title", "tittle")
    with pytest.raises(SpecError) as wrong:
        load_campaign_file(_file(tmp_path, text))
    assert list(wrong.value.problems) == [
        "ballot.closes: is missing",
        "ballot.closing: is not a key here; did you mean closes?",
        "campaign.title: is missing",
        "campaign.tittle: is not a key here; did you mean title?",
    ]
    with pytest.raises(SpecError, match=r"has no \[campaign\]"):
        load_campaign_file(_file(tmp_path, BALLOT))


@pytest.mark.parametrize(
    ("word", "known", "words"),
    [
        ("remindrs", ["reminders", "pay"], "Did you mean reminders?"),
        ("x", ["reminders"], "There is only reminders."),
        ("x", ["reminders", "pay", "strike"], "There are reminders, pay and strike."),
    ],
)
def test_an_unknown_name_gets_the_known_ones(word: str, known: list[str], words: str) -> None:
    assert names_instead(word, known) == words


@pytest.mark.parametrize("text", ["[ballot", 'name = "x"', "", "[balot]"])
def test_a_file_that_is_no_spec_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match=r"spec\.toml"):
        load_ballot_spec(_file(tmp_path, text))


def test_a_table_beside_the_campaign_is_told_its_place(tmp_path: Path) -> None:
    [line] = _problems(tmp_path, CAMPAIGN + '[audience]\nhas = "sms"')
    assert line == "audience: belongs to the campaign; write it as campaign.audience"


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="There is no file"):
        load_ballot_spec(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("3 days", timedelta(days=3)),
        ("3d", timedelta(days=3)),
        ("1 day 12 hours", timedelta(days=1, hours=12)),
        ("90min", timedelta(minutes=90)),
        ("2 Weeks", timedelta(weeks=2)),
        ("36 hours", timedelta(hours=36)),
        ("1d, 12h", timedelta(hours=36)),
    ],
)
def test_pauses_are_read_as_people_write_them(words: str, expected: timedelta) -> None:
    assert StepSpec(template="x", channels=("sms",), when={"after": words}).when.after == expected


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("3 days", "P3D"),
        ("2 weeks", "P14D"),
        ("36 hours", "P0DT129600S"),
        ("1d 12h", "P1DT43200S"),
        ("90 min", "P0DT5400S"),
    ],
)
def test_days_are_kept_apart_from_hours(words: str, kept: str) -> None:
    pause = StepSpec(template="x", channels=("sms",), when={"after": words}).when
    assert pause.after is not None
    assert pause.after.to_iso() == copy(pause.after).to_iso() == kept
    assert pause.model_dump(mode="json")["after"] == kept


@pytest.mark.parametrize("words", ["99999999999 days", "9999 weeks", "3", "soon", "3 days ago", ""])
def test_a_wrong_pause_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"ten years|write a time"):
        StepSpec(template="x", channels=("sms",), when={"after": words})


@pytest.mark.parametrize(
    ("campaign", "step", "channels", "quiet"),
    [
        (None, None, ["sms"], Quiet(time(21), time(8), ("sms",))),
        (None, None, ["email", "sms"], Quiet(time(21), time(8), ("sms",))),
        (None, None, ["email"], None),
        ("none", None, ["sms"], None),
        (None, "none", ["sms"], None),
        ("none", "22:00-07:00", ["sms"], Quiet(time(22), time(7), None)),
        ("20:00-08:00", None, ["email"], Quiet(time(20), time(8), None)),
        ("20:00-08:00", "none", ["email"], None),
    ],
)
def test_texts_have_quiet_nights_unless_the_file_says_otherwise(
    campaign: str | None, step: str | None, channels: list[str], quiet: Quiet | None
) -> None:
    spec = CampaignSpec.model_validate(
        {
            "name": "a", "title": "A", "about": {"ballot": "b"}, "quiet_hours": campaign,
            "steps": [{"template": "x", "channels": channels, "quiet_hours": step}],
        }
    )  # fmt: skip
    assert spec.quiet(spec.steps[0]) == quiet


def test_local_times_are_read_in_their_zone() -> None:
    london, local = ZoneInfo("Europe/London"), datetime(2026, 7, 1, 12)  # noqa: DTZ001  # as the file has it
    assert at_zone(local, london) == datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert at_zone(local.replace(month=12), london) == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert at_zone(date(2026, 12, 1), london, end=True) == datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)
    assert at_zone(datetime(2026, 12, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo")), london) == datetime(
        2026, 12, 1, 3, tzinfo=UTC
    )


_LEAF = st.fixed_dictionaries(
    {},
    optional={
        "unit": st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=2),
        "answered": st.booleans() | st.lists(st.sampled_from(["voted", "refused"]), min_size=1),
        "has": st.sampled_from(["sms", "email"]),
        "attribute": st.dictionaries(st.sampled_from(["grade", "dept"]), st.booleans() | st.just(["AO"]), min_size=1),
    },
).filter(bool)
_TREE = st.recursive(
    _LEAF,
    lambda inner: st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}, optional={"not": inner}),
)


@given(_TREE)
def test_a_filter_is_read_back_as_it_was_kept(tree: dict[str, object]) -> None:
    audience = Filter.model_validate(tree)
    assert Filter.model_validate(audience.to_json()) == audience


@pytest.mark.parametrize(("written", "days"), [
    ('"Mon-Fri"', (1, 2, 3, 4, 5)),
    ('"monday to"', None),
    ('["Mon", "wed", "Saturday-Sunday"]', (1, 3, 6, 7)),
    ('"Sat-Mon"', (1, 6, 7)),
    ('"Mon, Tue"', (1, 2)),
    ('"Mon-Wed-Fri"', None),
    ('"Mo-Fr"', None),
])  # fmt: skip
def test_days_are_written_as_people_write_them(tmp_path: Path, written: str, days: tuple[int, ...] | None) -> None:
    text = f"{CAMPAIGN}window = {{ days = {written} }}"
    if days is not None:
        assert load_campaign_spec(_file(tmp_path, text)).steps[0].window.days == days
        return
    [problem] = _problems(tmp_path, text)
    assert problem == 'campaign.steps[1].window.days: write days such as "Mon-Fri", or ["Mon", "Wed", "Sat-Sun"]'


def test_a_step_overrides_its_campaigns_window_key_by_key(tmp_path: Path) -> None:
    head, steps = CAMPAIGN.split("[[campaign.steps]]")
    window = '[campaign.window]\ndays = "Mon-Fri"\nhours = "09:00-24:00"\nzone = "subject"\n'
    own = 'window = { hours = "10:00-12:00" }'
    spec = load_campaign_spec(_file(tmp_path, f"{head}{window}[[campaign.steps]]{steps}{own}"))
    assert spec.window.hours == (time(9), time.max)
    merged = spec.steps[0].window.within(spec.window)
    assert (merged.days, merged.hours, merged.zone) == ((1, 2, 3, 4, 5), (time(10), time(12)), "subject")


HOURS = 'write the hours in which it may be sent, within one day, such as "09:00-18:00"'


@pytest.mark.parametrize(("line", "key", "complaint"), [
    ('window = { hours = "20:00-08:00" }', "window.hours", HOURS),
    ('window = { hours = "9 to 5" }', "window.hours", HOURS),
    ('window = { zone = "Mars/Olympus" }', "window.zone", "Mars/Olympus is neither"),
    ("window = { form = 2026-11-03 }", "window.form", "is not a key here; did you mean from?"),
    ('window = { until = "soon" }', "window.until", "write a date such as 2026-11-02"),
    ('frequency_cap = "seldom"', "frequency_cap", 'write the most messages in a time, such as "3 in 7 days"'),
    ('frequency_cap = "0 in 7 days"', "frequency_cap", "would let nothing through"),
])  # fmt: skip
def test_problems_of_a_window_or_a_cap_name_the_key(tmp_path: Path, line: str, key: str, complaint: str) -> None:
    [problem] = _problems(tmp_path, CAMPAIGN + line)
    assert problem.startswith(f"campaign.steps[1].{key}: {complaint}")


def test_caps_are_read_and_said_as_people_write_them(tmp_path: Path) -> None:
    text = f'{CAMPAIGN}frequency_cap = "1 a day, 3 marketing messages in 2 weeks"'
    [day, fortnight] = load_campaign_spec(_file(tmp_path, text)).steps[0].frequency_cap or ()
    assert (str(day), str(fortnight)) == ("1 in 1 day", "3 marketing in 14 days")
    assert load_campaign_spec(_file(tmp_path, f'{CAMPAIGN}frequency_cap = "none"')).steps[0].frequency_cap == ()
    assert load_campaign_spec(_file(tmp_path, CAMPAIGN)).steps[0].frequency_cap is None


@pytest.mark.parametrize("content", [None, "[campaign\n"])
def test_a_file_that_cannot_be_read_is_said_to_be_so_once(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "campaign.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpecError) as refused:
        load_campaign_file(path)
    assert str(path) in refused.value.message
    assert refused.value.problems == ()
