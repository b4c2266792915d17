"""The broker's tables. The hot statements on them are in `apps.broker.sql`; nothing here is saved one by one.

A message is in exactly one of four tables, with the same id in each: it waits (`Message`), waits for its time
(`Delayed`), is with a consumer (`Delivery`), or has been given up (`DeadLetter`). Moving it costs one
deletion and one insertion, and each table stays as small as what is in that state: a claim reads no row
that somebody else has, and an acknowledgement finds its row in a table of a few pages.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.broker.letter import opened


class Exchange(models.Model):
    """Where messages are published to; `type` says how bindings are matched."""

    name = models.TextField(primary_key=True)
    type = models.TextField()
    durable = models.BooleanField(db_default=True)
    auto_delete = models.BooleanField(db_default=False)
    arguments = models.JSONField(db_default=models.Value({}, models.JSONField()))

    def __str__(self) -> str:
        return self.name


class Queue(models.Model):
    """A queue, and what it was declared with. Its messages refer to it by name, without a foreign key."""

    name = models.TextField(primary_key=True)
    durable = models.BooleanField(db_default=True)
    exclusive = models.BooleanField(db_default=False)
    auto_delete = models.BooleanField(db_default=False)
    arguments = models.JSONField(db_default=models.Value({}, models.JSONField()))
    session_id = models.IntegerField(
        "session", null=True, help_text="The session that an exclusive queue ends with."
    )
    max_priority = models.SmallIntegerField("highest priority", null=True)
    max_length = models.BigIntegerField("at most (messages)", null=True)
    max_bytes = models.BigIntegerField("at most (bytes)", null=True)
    message_ttl_ms = models.BigIntegerField("time to live of a message (ms)", null=True)
    expires_ms = models.BigIntegerField(
        "expires after (ms)", null=True, help_text="Deleted when unused for so long."
    )
    used_at = models.DateTimeField("last used", db_default=models.functions.Now())

    def __str__(self) -> str:
        return self.name


class Binding(models.Model):
    """Messages to `exchange` whose routing key matches go to `queue`."""

    exchange = models.TextField()
    queue = models.TextField()
    routing_key = models.TextField()
    pattern = models.TextField(help_text="A topic's routing key as a regular expression of PostgreSQL.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exchange", "queue", "routing_key"], name="broker_binding_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["queue"], name="broker_binding_queue")]

    def __str__(self) -> str:
        return f"{self.exchange} -> {self.queue} ({self.routing_key})"


class Session(models.Model):
    """A connection that consumes. It lives for as long as it holds the advisory lock of its id."""

    id = models.IntegerField(primary_key=True)
    backend_pid = models.IntegerField("process of PostgreSQL")
    client = models.TextField(help_text="Host name and process id.")
    started_at = models.DateTimeField("began", db_default=models.functions.Now())

    def __str__(self) -> str:
        return self.client


class Consumer(models.Model):
    """A session's subscription to a queue."""

    session_id = models.IntegerField("session")
    queue = models.TextField()
    tag = models.TextField()
    no_ack = models.BooleanField(db_default=False)
    exclusive = models.BooleanField(db_default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session_id", "tag"], name="broker_consumer_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["queue"], name="broker_consumer_queue")]

    def __str__(self) -> str:
        return self.tag


class Content(models.Model):
    """What a message keeps through all of its states."""

    queue = models.TextField()
    rank = models.SmallIntegerField(
        help_text="The negated priority, so that an index scan meets the highest first."
    )
    ttl_ms = models.BigIntegerField("time to live (ms)", null=True)
    redelivered = models.BooleanField(db_default=False)
    deaths = models.SmallIntegerField(db_default=0, help_text="Consumers that died with it.")
    history = models.JSONField(null=True, help_text="When and with whom they died.")
    envelope = models.TextField(help_text="JSON: see `apps.broker.envelope`.")
    body = models.BinaryField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.queue}: {self.pk}"


class Message(Content):
    """A message that waits for a consumer. The primary key is the order of delivery."""

    pk = models.CompositePrimaryKey("queue", "rank", "id")
    id = models.BigIntegerField()
    expires_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(
        db_default=models.functions.Now(),
        help_text="When it was published, fell due or came back: since then it waits.",
    )

    class Meta:
        verbose_name = "waiting message"
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                name="broker_message_expires",
                condition=models.Q(expires_at__isnull=False),
            ),
        ]


class Delayed(Content):
    """A message that is not to be delivered before `due_at`."""

    pk = models.CompositePrimaryKey("due_at", "id")
    id = models.BigIntegerField()
    due_at = models.DateTimeField()

    class Meta:
        verbose_name = "delayed message"


class Delivery(Content):
    """A message that a session has and has not acknowledged."""

    id = models.BigIntegerField(primary_key=True)
    session_id = models.IntegerField("session")
    expires_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "unacknowledged message"


class DeadLetter(Content):
    """A message that was given up, because consumers die with it."""

    id = models.BigIntegerField(primary_key=True)
    died_at = models.DateTimeField("given up", db_default=models.functions.Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["queue"], name="broker_deadletter_queue")]

    def __str__(self) -> str:
        return f"{opened(self.envelope).task or 'message'} ({self.id}, queue {self.queue})"
