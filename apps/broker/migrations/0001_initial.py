"""The broker's tables, and what PostgreSQL is told of them beyond Django's words.

On SQLite, which cannot be a broker, the tables exist and stay empty.
"""

from collections.abc import Callable
from typing import Any

import django.db.models.functions.datetime
from django.db import migrations, models


# Two sequences: of a message's id, which is its age among others of its priority and the same in every table,
# and of a session's, the key of its advisory lock (an integer, as pg_advisory_lock(int, int) takes).
#
# Names are compared byte by byte: the language's order costs time in the hot index, and a change of its
# library would corrupt the index.
#
# Storage: rows come and go at the rate of tasks, so a share of the table is no measure of when to clean up.
# Workers vacuum as they go (`apps.broker.chores`); autovacuum is the net below, without pauses for the same reason.
POSTGRESQL = """
CREATE SEQUENCE broker_message_id AS bigint;
CREATE SEQUENCE broker_session_id AS integer CYCLE;

ALTER TABLE broker_exchange ALTER name TYPE text COLLATE "C";
ALTER TABLE broker_queue ALTER name TYPE text COLLATE "C";
ALTER TABLE broker_binding ALTER exchange TYPE text COLLATE "C", ALTER queue TYPE text COLLATE "C",
  ALTER routing_key TYPE text COLLATE "C", ALTER pattern TYPE text COLLATE "C";
ALTER TABLE broker_consumer ALTER queue TYPE text COLLATE "C", ALTER tag TYPE text COLLATE "C";
ALTER TABLE broker_message ALTER queue TYPE text COLLATE "C";
ALTER TABLE broker_delayed ALTER queue TYPE text COLLATE "C";
ALTER TABLE broker_delivery ALTER queue TYPE text COLLATE "C";

ALTER TABLE broker_message SET (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 10000
);
ALTER TABLE broker_delivery SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 10000
);
ALTER TABLE broker_delayed SET (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE broker_queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE broker_session SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE broker_consumer SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
"""

POSTGRESQL_BACK = "DROP SEQUENCE broker_message_id; DROP SEQUENCE broker_session_id;"


def on_postgresql(statements: str) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statements, params=None)

    return run


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('queue', models.TextField()),
                ('rank', models.SmallIntegerField(help_text='The negated priority, so that an index scan meets the highest first.')),
                ('ttl_ms', models.BigIntegerField(null=True, verbose_name='time to live (ms)')),
                ('redelivered', models.BooleanField(db_default=False)),
                ('deaths', models.SmallIntegerField(db_default=0, help_text='Consumers that died with it.')),
                ('history', models.JSONField(help_text='When and with whom they died.', null=True)),
                ('envelope', models.TextField(help_text='JSON: see `apps.broker.envelope`.')),
                ('body', models.BinaryField()),
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('died_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='given up')),
            ],
            options={
                'indexes': [models.Index(fields=['queue'], name='broker_deadletter_queue')],
            },
        ),
        migrations.CreateModel(
            name='Delayed',
            fields=[
                ('queue', models.TextField()),
                ('rank', models.SmallIntegerField(help_text='The negated priority, so that an index scan meets the highest first.')),
                ('ttl_ms', models.BigIntegerField(null=True, verbose_name='time to live (ms)')),
                ('redelivered', models.BooleanField(db_default=False)),
                ('deaths', models.SmallIntegerField(db_default=0, help_text='Consumers that died with it.')),
                ('history', models.JSONField(help_text='When and with whom they died.', null=True)),
                ('envelope', models.TextField(help_text='JSON: see `apps.broker.envelope`.')),
                ('body', models.BinaryField()),
                ('pk', models.CompositePrimaryKey('due_at', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('due_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'delayed message',
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('queue', models.TextField()),
                ('rank', models.SmallIntegerField(help_text='The negated priority, so that an index scan meets the highest first.')),
                ('ttl_ms', models.BigIntegerField(null=True, verbose_name='time to live (ms)')),
                ('redelivered', models.BooleanField(db_default=False)),
                ('deaths', models.SmallIntegerField(db_default=0, help_text='Consumers that died with it.')),
                ('history', models.JSONField(help_text='When and with whom they died.', null=True)),
                ('envelope', models.TextField(help_text='JSON: see `apps.broker.envelope`.')),
                ('body', models.BinaryField()),
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('session_id', models.IntegerField(verbose_name='session')),
                ('expires_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'unacknowledged message',
            },
        ),
        migrations.CreateModel(
            name='Exchange',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('type', models.TextField()),
                ('durable', models.BooleanField(db_default=True)),
                ('auto_delete', models.BooleanField(db_default=False)),
                ('arguments', models.JSONField(db_default=models.Value({}, models.JSONField()))),
            ],
        ),
        migrations.CreateModel(
            name='Queue',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('durable', models.BooleanField(db_default=True)),
                ('exclusive', models.BooleanField(db_default=False)),
                ('auto_delete', models.BooleanField(db_default=False)),
                ('arguments', models.JSONField(db_default=models.Value({}, models.JSONField()))),
                ('session_id', models.IntegerField(help_text='The session that an exclusive queue ends with.', null=True, verbose_name='session')),
                ('max_priority', models.SmallIntegerField(null=True, verbose_name='highest priority')),
                ('max_length', models.BigIntegerField(null=True, verbose_name='at most (messages)')),
                ('max_bytes', models.BigIntegerField(null=True, verbose_name='at most (bytes)')),
                ('message_ttl_ms', models.BigIntegerField(null=True, verbose_name='time to live of a message (ms)')),
                ('expires_ms', models.BigIntegerField(help_text='Deleted when unused for so long.', null=True, verbose_name='expires after (ms)')),
                ('used_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last used')),
            ],
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.IntegerField(primary_key=True, serialize=False)),
                ('backend_pid', models.IntegerField(verbose_name='process of PostgreSQL')),
                ('client', models.TextField(help_text='Host name and process id.')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='began')),
            ],
        ),
        migrations.CreateModel(
            name='Binding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('exchange', models.TextField()),
                ('queue', models.TextField()),
                ('routing_key', models.TextField()),
                ('pattern', models.TextField(help_text="A topic's routing key as a regular expression of PostgreSQL.")),
            ],
            options={
                'indexes': [models.Index(fields=['queue'], name='broker_binding_queue')],
                'constraints': [models.UniqueConstraint(fields=('exchange', 'queue', 'routing_key'), name='broker_binding_once')],
            },
        ),
        migrations.CreateModel(
            name='Consumer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session_id', models.IntegerField(verbose_name='session')),
                ('queue', models.TextField()),
                ('tag', models.TextField()),
                ('no_ack', models.BooleanField(db_default=False)),
                ('exclusive', models.BooleanField(db_default=False)),
            ],
            options={
                'indexes': [models.Index(fields=['queue'], name='broker_consumer_queue')],
                'constraints': [models.UniqueConstraint(fields=('session_id', 'tag'), name='broker_consumer_once')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('queue', models.TextField()),
                ('rank', models.SmallIntegerField(help_text='The negated priority, so that an index scan meets the highest first.')),
                ('ttl_ms', models.BigIntegerField(null=True, verbose_name='time to live (ms)')),
                ('redelivered', models.BooleanField(db_default=False)),
                ('deaths', models.SmallIntegerField(db_default=0, help_text='Consumers that died with it.')),
                ('history', models.JSONField(help_text='When and with whom they died.', null=True)),
                ('envelope', models.TextField(help_text='JSON: see `apps.broker.envelope`.')),
                ('body', models.BinaryField()),
                ('pk', models.CompositePrimaryKey('queue', 'rank', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('ready_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When it was published, fell due or came back: since then it waits.')),
            ],
            options={
                'verbose_name': 'waiting message',
                'indexes': [models.Index(condition=models.Q(('expires_at__isnull', False)), fields=['expires_at'], name='broker_message_expires')],
            },
        ),
        migrations.RunPython(on_postgresql(POSTGRESQL), on_postgresql(POSTGRESQL_BACK)),
    ]
