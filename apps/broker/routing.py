"""Which routing keys a binding takes, as a regular expression that PostgreSQL matches."""

from __future__ import annotations

import re
from typing import Final

EXCHANGE_TYPES: Final = ("direct", "topic", "fanout")
# They exist from the beginning; their rows are made when they are first bound.
OWN_EXCHANGES: Final = {"": "direct", "amq.direct": "direct", "amq.topic": "topic", "amq.fanout": "fanout"}

_WORDS: Final = {
    "*": r"\.[^.]*",  # exactly one word
    "#": r"(\.[^.]*)*",  # any number of them
}


def pattern(routing_key: str) -> str:
    """For a topic's key whose words are joined by dots: the statement puts a dot before the message's first
    word too.

    An empty key has no words, as in RabbitMQ.
    """
    words = routing_key.split(".") if routing_key else []
    return "^" + "".join(_WORDS.get(word) or r"\." + _literally(word) for word in words) + "$"


def _literally(word: str) -> str:
    return re.sub(r"([^\w])", r"\\\1", word)
