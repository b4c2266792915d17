"""What an administrator can do to schedules that a variable owns: look, and run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db.models import Model
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)
from pytest_django import Settings

from apps.accounts.models import User

VARIABLE = "NIGHTLY_INTERVAL_HOURS"
SCHEDULES: dict[str, tuple[Any, dict[str, Any], dict[str, str]]] = {
    "interval": (IntervalSchedule, {"every": 21600, "period": "seconds"}, {"every": "1"}),
    "crontab": (CrontabSchedule, {"minute": "5"}, {"minute": "6"}),
    "clocked": (
        ClockedSchedule,
        {"clocked_time": datetime(2030, 1, 1, tzinfo=UTC)},
        {"clocked_time_0": "2031-01-01"},
    ),
}


class Scripts(HTMLParser):
    """Collects the attributes of inline scripts that a browser would run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inline: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script" and "src" not in found and found.get("type") != "application/json":
            self.inline.append(found)


@pytest.fixture(autouse=True)
def _one_owned_schedule(settings: Settings) -> None:
    settings.SCHEDULE_VARIABLES = {"nightly": VARIABLE}


@pytest.fixture
def browser(db: None) -> Client:
    client = Client()
    root = User.objects.create_superuser("root@example.org")
    client.force_login(root, "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def owned(db: None) -> PeriodicTask:
    interval = IntervalSchedule.objects.create(every=21600, period="seconds")
    return PeriodicTask.objects.create(name="nightly", task="celery.backend_cleanup", interval=interval)


@pytest.fixture
def mine(db: None) -> PeriodicTask:
    interval = IntervalSchedule.objects.create(every=5, period="minutes")
    return PeriodicTask.objects.create(name="mine", task="celery.backend_cleanup", interval=interval)


def page(row: Model | type[Model], view: str) -> str:
    args = [] if isinstance(row, type) else [row.pk]
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{view}", args=args)


def form(row: PeriodicTask, **changed: Any) -> dict[str, Any]:
    """What a browser would send for the change form of `row`."""
    data = {name: value for name, value in model_to_dict(row).items() if value is not None}
    return {**data, "enabled": "on" if row.enabled else "", **changed}


def act(browser: Client, action: str, *rows: Model, **more: str) -> Any:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
    return browser.post(page(type(rows[0]), "changelist"), data)


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def kept(row: PeriodicTask) -> bool:
    """Whether the row and its schedule are still what they were."""
    now = PeriodicTask.objects.filter(pk=row.pk).first()
    return now is not None and (model_to_dict(now), now.schedule) == (model_to_dict(row), row.schedule)


# One owned task


def test_an_owned_task_can_be_looked_at_and_the_page_says_why_no_more(
    browser: Client, owned: PeriodicTask
) -> None:
    """The form is read-only, and names the variable."""
    text = browser.get(page(owned, "change")).content.decode()
    assert f"{VARIABLE} owns this schedule" in text
    assert 'name="_save"' not in text
    assert 'name="name"' not in text
    assert page(owned, "delete") not in text


@pytest.mark.parametrize(
    "changed",
    [{"enabled": ""}, {"name": "another"}, {"interval": "", "description": "x"}, {"_saveasnew": "1"}, {}],
)
def test_an_edit_of_an_owned_task_is_refused_with_the_variables_name(
    changed: dict[str, str], browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """Whatever a forged form says, nothing changes."""
    data = form(owned, interval=str(mine.interval_id)) | changed
    response = browser.post(page(owned, "change"), data)
    assert response.status_code == 302
    assert said(response)[0].startswith(f"Nothing was changed. {VARIABLE} owns this schedule")
    assert kept(owned)
    assert PeriodicTask.objects.count() == 2


@pytest.mark.parametrize("data", [{}, {"post": "yes"}])
def test_an_owned_task_cannot_be_deleted(data: dict[str, str], browser: Client, owned: PeriodicTask) -> None:
    """Neither by the page nor by a forged confirmation."""
    response = browser.post(page(owned, "delete"), data)
    assert response.status_code == 302
    assert VARIABLE in said(response)[0]
    assert kept(owned)


def test_a_task_of_somebody_else_is_edited_as_ever(
    browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """The guard is for owned rows alone, and says nothing elsewhere."""
    assert VARIABLE not in browser.get(page(mine, "change")).content.decode()
    response = browser.post(page(mine, "change"), form(mine, enabled="", description="changed"))
    assert response.status_code == 302
    mine.refresh_from_db()
    assert (mine.enabled, mine.description) == (False, "changed")
    browser.post(page(mine, "delete"), {"post": "yes"})
    assert not PeriodicTask.objects.filter(pk=mine.pk).exists()


def test_no_other_task_gets_a_name_that_a_variable_owns(browser: Client, mine: PeriodicTask) -> None:
    """Beat would make that row its own at the next start."""
    for address in (page(mine, "change"), page(PeriodicTask, "add")):
        response = browser.post(address, form(mine, name="nightly"))
        assert response.status_code == 200
        assert f"{VARIABLE} owns the schedule of this name" in response.content.decode()
    assert list(PeriodicTask.objects.values_list("name", flat=True)) == ["mine"]


def test_which_tasks_are_owned_is_the_settings_business(
    browser: Client, owned: PeriodicTask, mine: PeriodicTask, settings: Settings
) -> None:
    """A new row of SCHEDULE_VARIABLES is all that another owned schedule takes."""
    settings.SCHEDULE_VARIABLES = {"mine": "MY_INTERVAL"}
    assert "MY_INTERVAL" in said(browser.post(page(mine, "change"), form(mine, enabled="")))[0]
    assert kept(mine)
    browser.post(page(owned, "change"), form(owned, enabled=""))
    assert not kept(owned)


def test_a_user_without_permission_learns_nothing(browser: Client, owned: PeriodicTask) -> None:
    """Staff that may not look at schedules is refused as ever."""
    staff = User.objects.create_user("staff@example.org", is_staff=True)
    browser.force_login(staff, "django.contrib.auth.backends.ModelBackend")
    for response in (browser.get(page(owned, "change")), browser.post(page(owned, "change"), form(owned))):
        assert response.status_code == 403
        assert VARIABLE not in response.content.decode()
    assert kept(owned)


# Bulk actions


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks", "enable_tasks"])
def test_bulk_actions_leave_owned_tasks_out(
    action: str, browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """The others are changed, and a message names the variable."""
    PeriodicTask.objects.filter(pk=mine.pk).update(enabled=action == "disable_tasks")
    if action == "enable_tasks":
        PeriodicTask.objects.filter(pk=owned.pk).update(enabled=False)
    owned.refresh_from_db()
    messages = said(act(browser, action, owned, mine))
    assert "was left as it is" in messages[0]
    assert VARIABLE in messages[0]
    assert messages[1].startswith("1 task was successfully")
    assert kept(owned)
    mine.refresh_from_db()
    assert mine.enabled is (action != "disable_tasks")


@pytest.mark.parametrize("action", ["enable_tasks", "disable_tasks", "toggle_tasks", "delete_selected"])
def test_a_bulk_action_on_owned_tasks_alone_changes_nothing(
    action: str, browser: Client, owned: PeriodicTask
) -> None:
    """And claims no success."""
    (message,) = said(act(browser, action, owned, post="yes"))
    assert VARIABLE in message
    assert kept(owned)


def test_deleting_many_leaves_owned_tasks_out(
    browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """Not asked for on the page that asks, and not deleted by its answer."""
    confirmation = act(browser, "delete_selected", owned, mine).content.decode()
    assert f'value="{mine.pk}"' in confirmation
    assert f'name="_selected_action" value="{owned.pk}"' not in confirmation
    act(browser, "delete_selected", owned, mine, post="yes")
    assert kept(owned)
    assert not PeriodicTask.objects.filter(pk=mine.pk).exists()


def test_an_owned_task_can_be_run(browser: Client, owned: PeriodicTask) -> None:
    """That changes no schedule; in these tests the task runs at once."""
    messages = said(act(browser, "run_tasks", owned))
    assert messages == ["1 task was successfully run"]
    assert kept(owned)


# The schedules that owned tasks use


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_schedule_of_an_owned_task_is_owned_too(kind: str, browser: Client, owned: PeriodicTask) -> None:
    """It can be looked at; not edited, not deleted, alone or with others: deletion would cascade."""
    model, values, changed = SCHEDULES[kind]
    schedule = model.objects.create(**values)
    PeriodicTask.objects.filter(pk=owned.pk).update(**{"interval": None, kind: schedule})
    owned.refresh_from_db()
    before = model_to_dict(schedule)
    text = browser.get(page(schedule, "change")).content.decode()
    assert f"{VARIABLE} owns this schedule" in text
    assert 'name="_save"' not in text
    inline = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}
    for response in (
        browser.post(page(schedule, "change"), {**before, **changed, **inline}),
        browser.post(page(schedule, "delete"), {"post": "yes"}),
        act(browser, "delete_selected", schedule, post="yes"),
    ):
        assert VARIABLE in said(response)[0]
        schedule.refresh_from_db()
        assert model_to_dict(schedule) == before
        assert kept(owned)


def test_a_schedule_that_no_owned_task_uses_is_edited_as_ever(
    browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """Changed, and deleted together with the task that used it."""
    schedule = mine.interval
    inline = {"periodictask_set-TOTAL_FORMS": "1", "periodictask_set-INITIAL_FORMS": "1"}
    inline |= {"periodictask_set-0-id": str(mine.pk), "periodictask_set-0-interval": str(schedule.pk)}
    browser.post(page(schedule, "change"), {"every": "7", "period": "minutes", **inline})
    schedule.refresh_from_db()
    assert schedule.every == 7
    act(browser, "delete_selected", schedule, owned.interval, post="yes")
    assert not IntervalSchedule.objects.filter(pk=schedule.pk).exists()
    assert kept(owned)


def test_solar_schedules_are_not_offered(browser: Client) -> None:
    """They need a package that is not installed; beat would end at the first one, at every start."""
    assert browser.get("/admin/django_celery_beat/solarschedule/").status_code == 404
    assert "/solarschedule/" not in browser.get(page(PeriodicTask, "add")).content.decode()


# The page's script


def test_every_inline_script_of_the_task_form_has_the_headers_nonce(
    browser: Client, owned: PeriodicTask, mine: PeriodicTask
) -> None:
    """The policy lets no other inline script run; the one that translates crontabs is there."""
    for address in (page(mine, "change"), page(owned, "change"), page(PeriodicTask, "add")):
        response = browser.get(address)
        (nonce,) = re.findall(r"script-src [^;]*'nonce-([^']+)'", response["Content-Security-Policy"])
        inline = Scripts(response.content.decode()).inline
        assert [script.get("id") for script in inline] == ["periodic-task-overrides"]
        assert {script.get("nonce") for script in inline} == {nonce}
        assert "'unsafe-inline'" not in response["Content-Security-Policy"]


def test_the_task_form_still_translates_crontabs(browser: Client) -> None:
    """What django-celery-beat's own page does stays: readable crontabs beside the field."""
    crontab = CrontabSchedule.objects.create(minute="5", hour="4")
    text = browser.get(page(PeriodicTask, "add")).content.decode()
    assert f'<script id="readable-crontabs" type="application/json">{{"{crontab.pk}": "' in text
    assert 'originalCrontabHelp = "Crontab Schedule to run the task on.' in text
