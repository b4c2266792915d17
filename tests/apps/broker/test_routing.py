"""Which routing keys a topic's binding takes, by PostgreSQL's own regular expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.broker import sql, transactions
from apps.broker.routing import pattern

pytestmark = pytest.mark.django_db

TOPIC = "events"


def takers(bindings: Iterable[str], key: str) -> set[str]:
    """Those of the bindings whose queues get a message with this key; the database is left as it was."""
    with transaction.atomic():
        transactions.run("default", sql.DECLARE_EXCHANGE + " RETURNING 1", TOPIC, "topic", True, False, "{}")
        for binding in set(bindings):
            queue = f"queue of {binding}"
            _declare(queue)
            transactions.run("default", sql.BIND, TOPIC, queue, binding, pattern(binding))
        rows = transactions.run("default", sql.PUBLISH_ROUTED, TOPIC, key, 0, None, "[]", b"", False)
        transaction.set_rollback(True)
    return {row[0].removeprefix("queue of ") for row in rows}


def _declare(queue: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO broker_queue (name) VALUES (%s)", [queue])


@pytest.mark.parametrize(
    ("binding", "taken", "refused"),
    [
        ("quick.orange", ["quick.orange"], ["quick", "quick.orange.fox", "lazy.orange", "quick.oranges", ""]),
        ("*.orange.*", ["quick.orange.rabbit", ".orange."], ["orange", "quick.orange", "a.b.orange.c"]),
        ("*", ["quick"], ["", "quick.orange"]),
        ("lazy.#", ["lazy", "lazy.orange", "lazy.orange.male.rabbit"], ["lazyness", "a.lazy", ""]),
        ("#.lazy", ["lazy", "very.very.lazy"], ["lazy.very", "crazylazy"]),
        ("#", ["", "quick", "quick.orange.fox", "."], []),
        ("#.#", ["", "a", "a.b"], []),
        ("*.#", ["a", "a.b"], [""]),
        ("#.*", ["a", "a.b"], [""]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b"], ["ab", "a", "b", "a.b.c"]),
        ("a.*.#.b", ["a.x.b", "a.x.y.b"], ["a.b"]),
        ("", [""], ["a", "."]),
        (".", ["."], ["", "a", ".."]),
        ("a..b", ["a..b"], ["a.b", "a.x.b"]),
        ("a*", ["a*"], ["a", "ab"]),
        ("a#.b", ["a#.b"], ["a.b", "a.x.b"]),
        ("(a|b)+[c]?{1}^$\\d", ["(a|b)+[c]?{1}^$\\d"], ["a", "aac"]),
        ("naïve.日本", ["naïve.日本"], ["naive.日本"]),
    ],
)
def test_words_are_matched_as_amqp_does(binding: str, taken: Sequence[str], refused: Sequence[str]) -> None:
    """A star is one word, a hash any number of them, and everything else itself."""
    assert [key for key in taken if not takers([binding], key)] == []
    assert [key for key in refused if takers([binding], key)] == []


plain_words = st.sampled_from(["", "a", "b", "ab"])
odd_words = st.text(st.characters(exclude_characters="\0.", exclude_categories=["Cs"]), max_size=3)
keys = st.lists(plain_words | odd_words, max_size=4).map(".".join)
bindings = st.lists(plain_words | st.sampled_from(["*", "#"]) | odd_words, max_size=4).map(".".join)


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@example([".", "#."], ".")
@example(["\\\u0902", "\u0902"], "\u0902")
@given(st.lists(bindings, min_size=1, max_size=5), keys)
def test_every_pattern_agrees_with_a_simple_matcher(several: list[str], key: str) -> None:
    """Whatever the words are made of."""
    assert takers(several, key) == {binding for binding in several if matches(words(binding), words(key))}


def words(key: str) -> list[str]:
    return key.split(".") if key else []


def matches(binding: list[str], key: list[str]) -> bool:
    if not binding:
        return not key
    first, *rest = binding
    if first == "#":
        return any(matches(rest, key[taken:]) for taken in range(len(key) + 1))
    return bool(key) and first in ("*", key[0]) and matches(rest, key[1:])
