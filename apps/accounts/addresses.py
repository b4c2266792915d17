"""E-mail addresses as user names: one spelling for each, wherever it was typed."""

from __future__ import annotations

import unicodedata


def normalise(address: str) -> str:
    """The address as it is stored, looked up and counted by the lock-out.

    Python alone decides what is equal, so a spelling that the database's own folding would let in
    (it depends on the server's locale) finds no account and cannot get round the lock-out.
    """
    return unicodedata.normalize("NFKC", address).strip().lower()
