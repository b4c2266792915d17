"""Loads all that the programs load: `python -m boot.rehearse`, in the environment that they will have.

A reload does it before anything is restarted: code that cannot be imported would otherwise take the running
site down.
"""

from __future__ import annotations

import boot.wsgi  # noqa: F401 - as gunicorn does; it sets Django up


def main() -> None:
    """Raises whatever the code raises."""
    from django.urls import get_resolver

    from boot.celery import app

    _ = get_resolver().url_patterns
    app.loader.import_default_modules()


if __name__ == "__main__":
    main()
