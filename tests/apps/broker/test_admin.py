"""What staff sees of the broker, and may do with dead letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import User
from apps.broker.models import Consumer, DeadLetter, Message, Session
from tests.apps.broker.peer import REASON, Peer, lone_peer

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("queue", "deadletter", "session", "consumer")
REQUEUE, DISCARD = "put_back", "delete_selected"


@pytest.fixture
def peer(transactional_db: None) -> Iterator[Peer]:
    with lone_peer() as peer:
        peer.declare("q")
        yield peer


@pytest.fixture
def letter(peer: Peer) -> DeadLetter:
    """A task that its worker died with."""
    peer.send("q", "shop.pack", args=["<script>alert(1)</script>"])
    peer.kill("q")
    return DeadLetter.objects.get()


@pytest.fixture
def staff(transactional_db: None) -> Callable[..., Client]:
    """A person with these permissions on dead letters, logged in."""

    def logged_in(*permissions: str) -> Client:
        user = User.objects.create_user("staff@example.org", is_staff=True)
        names = [f"{permission}_deadletter" for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        return client

    return logged_in


def url(model: str, *args: object) -> str:
    return reverse(f"admin:broker_{model}_{'change' if args else 'changelist'}", args=args)


def select(client: Client, action: str, *ids: int, **more: str) -> list[str]:
    """Choose dead letters of the list, and an action; what is said then."""
    data = {"action": action, "_selected_action": list(ids), **more}
    answer = client.post(url("deadletter"), data, follow=True)
    return [str(message) for message in answer.context["messages"]]


def requeue(client: Client, id_: int) -> list[str]:
    """Press the button on a letter's own page; what is said then."""
    answer = client.post(reverse("admin:broker_deadletter_requeue", args=[id_]), follow=True)
    assert answer.redirect_chain == [(url("deadletter"), 302)]
    return [str(message) for message in answer.context["messages"]]


def cells(page: str) -> list[str]:
    """The texts of the table's cells in the list."""
    table = re.search(r'<table id="result_list">.*?</table>', page, re.DOTALL)
    rows = re.findall(r"<t[dh] class=\"field.*?</t[dh]>", table[0] if table else "", re.DOTALL)
    return [re.sub(r"<.*?>", "", cell).strip() for cell in rows]


# Queues and who consumes


def test_the_list_of_queues_has_the_figures(peer: Peer, admin_client: Client) -> None:
    """The same as `doorito queues`, with a way to dead letters and consumers."""
    for _ in range(2):
        peer.send("q")
    peer.kill("q")
    peer.consume("q")
    Message.objects.update(ready_at=timezone.now() - timedelta(hours=30))
    page = admin_client.get(url("queue")).text
    found = cells(page)
    assert found[found.index("q") :][:7] == ["q", "1", "0", "0", "1d 6h", "1", "1"]
    assert f'<a href="{url("deadletter")}?queue=q">1</a>' in page
    assert f'<a href="{url("consumer")}?queue=q">1</a>' in page
    assert "shop.pack" in admin_client.get(url("deadletter"), {"queue": "q"}).text


def test_a_queue_has_a_page(peer: Peer, admin_client: Client) -> None:
    """Also where its name is no good address."""
    peer.declare("a/b c_d", **{"x-max-priority": 7})
    answer = admin_client.get(
        admin_client.get(url("queue")).text.split('field-name"><a href="')[1].split('"')[0]
    )
    assert answer.status_code == 200
    assert "a/b c_d" in answer.text
    assert '<div class="readonly">7</div>' in answer.text


def test_a_deleted_queue_is_told_while_it_has_dead_letters(
    peer: Peer, letter: DeadLetter, admin_client: Client
) -> None:
    """Its name leads to them."""
    peer.channel.queue_delete("q")
    page = admin_client.get(url("queue")).text
    link = f'q (<a href="{url("deadletter")}?queue=q">1</a>)'
    assert f"Deleted queues that have left dead letters: {link}." in page


def test_sessions_and_consumers_are_shown(peer: Peer, admin_client: Client) -> None:
    """Who has how much, and whether its connection is there."""
    peer.send("q")
    peer.take("q")
    peer.consume("q")
    session = Session.objects.get()
    row = cells(admin_client.get(url("session")).text)
    assert row[:2] + row[3:6] == [session.client, str(session.id), "q", "1", str(session.backend_pid)]
    assert "icon-yes" in admin_client.get(url("session", session.id)).text
    consumers = admin_client.get(url("consumer"), {"queue": "q"}).text
    assert session.client in consumers
    assert "icon-yes" in consumers
    assert admin_client.get(url("consumer", Consumer.objects.get().id)).status_code == 200


def test_a_session_that_is_over_is_marked(peer: Peer, admin_client: Client) -> None:
    """Its row stays until another session looks."""
    Session.objects.create(id=2**31 - 1, backend_pid=1, client="gone:1")
    assert "icon-no" in admin_client.get(url("session")).text


def test_nothing_is_added_or_edited(peer: Peer, letter: DeadLetter, admin_client: Client) -> None:
    """Not even by an administrator."""
    peer.consume("q")
    keys = {"queue": "q", "deadletter": letter.id}
    keys |= {"session": Session.objects.get().id, "consumer": Consumer.objects.get().id}
    for model, key in keys.items():
        row = url(model, key)
        assert admin_client.get(reverse(f"admin:broker_{model}_add")).status_code == 403
        assert 'name="_save"' not in admin_client.get(row).text
        assert admin_client.post(row, {"queue": "other"}).status_code == 403


def test_with_another_broker_the_pages_say_that_nothing_is_here(
    letter: DeadLetter, admin_client: Client, settings: Settings
) -> None:
    """Whatever the tables hold from before."""
    settings.CELERY_BROKER_URL = "redis://:secret@localhost"
    for model in PAGES:
        answer = admin_client.get(url(model))
        assert answer.status_code == 200
        assert "Nothing is here: the broker is another one (redis)" in answer.text
        assert "secret" not in answer.text
        assert "shop.pack" not in answer.text
    gone = admin_client.get(url("deadletter", letter.id), follow=True)
    assert gone.redirect_chain == [("/admin/", 302)]


def test_without_tables_the_command_that_makes_them_is_named(admin_client: Client) -> None:
    """In place of an error page."""
    for model in PAGES:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE broker_{model} RENAME TO elsewhere")
            try:
                answer = admin_client.get(url(model), follow=True)
            finally:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO broker_{model}")
        assert answer.redirect_chain == [("/admin/", 302)]
        assert "run: doorito broker migrate" in answer.text


# Dead letters


def test_a_dead_letter_is_readable(letter: DeadLetter, admin_client: Client) -> None:
    """What it was, what it was given, how it ended; nothing in it is run."""
    DeadLetter.objects.update(
        history=[*(letter.history or []), {"at": "x", "consumer": "y", "reason": "<b>z</b>"}]
    )
    page = admin_client.get(url("deadletter", letter.id)).text
    assert '<div class="readonly">shop.pack</div>' in page
    assert f"<td>{REASON}</td>" in page
    assert "<td>x</td><td>y</td><td>&lt;b&gt;z&lt;/b&gt;</td>" in page
    assert "[&#x27;&lt;script&gt;alert(1)&lt;/script&gt;&#x27;]" in page
    assert "&quot;callbacks&quot;: null" in page
    assert "<script>alert" not in page


def test_a_binary_body_is_but_measured(peer: Peer, admin_client: Client) -> None:
    """Its bytes are nobody's to read."""
    peer.publish(
        "q", b"\x80\x04secret", content_type="application/x-python-serialize", content_encoding="binary"
    )
    [id_] = peer.kill("q")
    page = admin_client.get(url("deadletter", id_)).text
    assert "8 bytes of application/x-python-serialize" in page
    assert "secret" not in page
    assert "(no task)" in admin_client.get(url("deadletter")).text


def test_dead_letters_are_found_by_what_they_are(letter: DeadLetter, admin_client: Client) -> None:
    """The task's name, its id, its arguments."""
    for term, found in (("shop.pack", 1), ("alert", 1), ("other", 0)):
        page = admin_client.get(url("deadletter"), {"q": term}).text
        assert cells(page).count("shop.pack") == found


def test_selected_letters_are_put_back(letter: DeadLetter, admin_client: Client) -> None:
    """Once; it is written down who did it, and clicking twice does no harm."""
    assert select(admin_client, REQUEUE, letter.id) == ["Put back: 1 dead letter."]
    assert Message.objects.get().id == letter.id
    entry = LogEntry.objects.get()
    assert (entry.user.email, str(entry)) == (
        "admin@example.com",
        f"Changed “shop.pack ({letter.id}, queue q)” — Put back into its queue.",
    )
    assert select(admin_client, REQUEUE, letter.id) == ["What is no dead letter any more was left as it is."]
    assert Message.objects.count() == 1
    assert LogEntry.objects.count() == 1


def test_a_letter_is_put_back_from_its_page(letter: DeadLetter, admin_client: Client) -> None:
    """By a button of the form that has the token; a link cannot do it."""
    page = admin_client.get(url("deadletter", letter.id)).text
    action = reverse("admin:broker_deadletter_requeue", args=[letter.id])
    assert f'formaction="{action}"' in page
    assert admin_client.get(action).status_code == 405
    assert requeue(admin_client, letter.id) == ["Put back: 1 dead letter."]
    assert requeue(admin_client, letter.id) == ["What is no dead letter any more was left as it is."]
    assert Message.objects.count() == 1


def test_a_letter_whose_queue_is_gone_stays(peer: Peer, letter: DeadLetter, admin_client: Client) -> None:
    """With the reason, and what helps."""
    peer.channel.queue_delete("q")
    [said] = select(admin_client, REQUEUE, letter.id)
    assert "queue “q”, which no longer exists" in said
    assert DeadLetter.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_discard_is_confirmed(letter: DeadLetter, admin_client: Client) -> None:
    """By Django's own page, which names what will be lost."""
    data = {"action": DISCARD, "_selected_action": [letter.id]}
    question = admin_client.post(url("deadletter"), data)
    assert "Are you sure" in question.text
    assert f"shop.pack ({letter.id}, queue q)" in question.text
    assert DeadLetter.objects.exists()
    assert select(admin_client, DISCARD, letter.id, post="yes") == ["Successfully deleted 1 dead letter."]
    assert not DeadLetter.objects.exists()
    assert select(admin_client, DISCARD, letter.id, post="yes") == []


def test_a_letter_is_discarded_from_its_page(letter: DeadLetter, admin_client: Client) -> None:
    """After the same question."""
    page = reverse("admin:broker_deadletter_delete", args=[letter.id])
    assert page in admin_client.get(url("deadletter", letter.id)).text
    assert "Are you sure" in admin_client.get(page).text
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert not DeadLetter.objects.exists()


def test_who_may_look_may_do_nothing(letter: DeadLetter, staff: Callable[..., Client]) -> None:
    """No action is offered, and none is done."""
    client = staff("view")
    pages = client.get(url("deadletter")).text + client.get(url("deadletter", letter.id)).text
    assert "shop.pack" in pages
    for word in ("Put back", "Discard", 'name="action"'):
        assert word not in pages
    for action in (REQUEUE, DISCARD):
        select(client, action, letter.id, post="yes")
    assert client.post(reverse("admin:broker_deadletter_requeue", args=[letter.id])).status_code == 403
    assert client.post(reverse("admin:broker_deadletter_delete", args=[letter.id])).status_code == 403
    assert DeadLetter.objects.exists()


@pytest.mark.parametrize(
    ("permission", "offered", "other"), [("change", REQUEUE, DISCARD), ("delete", DISCARD, REQUEUE)]
)
def test_each_action_has_its_permission(
    permission: str, offered: str, other: str, letter: DeadLetter, staff: Callable[..., Client]
) -> None:
    """To change is to put back, to delete is to discard."""
    client = staff("view", permission)
    page = client.get(url("deadletter")).text
    assert f'value="{offered}"' in page
    assert f'value="{other}"' not in page
    select(client, other, letter.id, post="yes")
    assert DeadLetter.objects.exists()
    select(client, offered, letter.id, post="yes")
    assert not DeadLetter.objects.exists()


def test_nobody_sees_it_without_permission(letter: DeadLetter, staff: Callable[..., Client]) -> None:
    """Staff of other things."""
    assert staff().get(url("deadletter")).status_code == 403
