"""The application that a worker's process finds: `celery -A tests.apps.broker.workers.project`."""

from __future__ import annotations

import os

from tests.apps.broker.workers.duties import application

app = application(
    os.environ["CONFORMANCE_BROKER_URL"],
    os.environ["CONFORMANCE_FOLDER"],
    os.environ["CONFORMANCE_QUEUE"],
    os.environ["CONFORMANCE_BACKEND"],
)
