"""Every statement of the broker, each with its reason. `$1` and so on are PostgreSQL's own parameters.

Three rules hold the guarantees together:

1. *A message is moved, never marked*: one statement deletes it in one table and inserts it in the next, so
   it is in exactly one, and what a crash undoes, it undoes whole.
2. *Whoever has a message proves it by a lock*: `broker_delivery.session_id` is the key of an advisory lock
   that the session's own connection took before its first claim and holds until it ends. PostgreSQL drops
   the lock with the connection, whatever ended it. No clock is involved, so a long task is never taken for
   a lost one.
3. *Only its session ends a delivery*: each acknowledgement names the session. What was returned meanwhile
   has no such row, so a late one does nothing.

Statements that deliver run at READ COMMITTED, one transaction each.
"""

from __future__ import annotations

from typing import Final

LOCK_SPACE: Final = 0x0D0021  # the first key of each advisory lock of ours; the second is the session's id
DUE_CHANNEL: Final = "broker_due"
BOUND_CHANNEL: Final = "broker_bound"
DELETED: Final = "deleted"  # what a deleted queue's channel says


# Sessions ---------------------------------------------------------------------------------------------

# What a consuming connection wants of its server. A plan is made once and used for the connection's life, so
# it must not depend on how many rows there happen to be now: an empty table would be read whole, and go on
# being when it has a million rows. The server's own keepalives end the session of a host that is away within
# 10 + 3 * 5 = 25 s; its messages return then.
SETTINGS: Final = """
SELECT set_config(name, value, false) FROM (VALUES
  ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'),
  ('enable_mergejoin', 'off'), ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off'),
  ('idle_session_timeout', '0'), ('statement_timeout', '0'), ('lock_timeout', '0'),
  ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')
) AS wanted (name, value)
"""

# The lock first, the row after it: whoever sees the row can rely on the lock.
REGISTER: Final = f"""
WITH next AS MATERIALIZED (SELECT nextval('broker_session_id')::int AS id),
locked AS MATERIALIZED (SELECT id, pg_advisory_lock({LOCK_SPACE}, id) FROM next)
INSERT INTO broker_session (id, backend_pid, client) SELECT id, pg_backend_pid(), $1::text FROM locked
RETURNING id
"""

# Once a second. A lock that can be taken has no holder, so its session is over; the shared mode lets several
# sessions look at the same time. Everything else a consumer wants to know comes with it, so that an idle one
# asks nothing more. Sessions are looked for where they matter, too: a delivery returns even if its session's
# row was lost.
TICK: Final = f"""
SELECT
  (SELECT string_agg(id::text, ',') FROM (
     SELECT id FROM broker_session UNION SELECT session_id FROM broker_delivery
     UNION SELECT session_id FROM broker_queue WHERE session_id IS NOT NULL
   ) AS known WHERE id <> $1::int AND pg_try_advisory_xact_lock_shared({LOCK_SPACE}, id)),
  (SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM broker_delayed),
  ARRAY(SELECT name FROM unnest($2::text[]) AS name
        WHERE (SELECT true FROM broker_message WHERE queue = name LIMIT 1)),
  ARRAY(SELECT wanted FROM unnest($2::text[]) AS wanted
        WHERE NOT EXISTS (SELECT FROM broker_queue WHERE name = wanted)),
  ARRAY(SELECT name FROM unnest($3::text[]) AS name
        WHERE EXISTS (SELECT FROM broker_binding WHERE exchange = name)),
  EXISTS (SELECT FROM broker_queue WHERE expires_ms IS NOT NULL
          AND used_at < now() - expires_ms * interval '1 millisecond'
          AND NOT EXISTS (SELECT FROM broker_consumer WHERE queue = name)),
  pg_stat_get_dead_tuples('broker_message'::regclass),
  pg_stat_get_live_tuples('broker_message'::regclass),
  pg_stat_get_dead_tuples('broker_delivery'::regclass),
  pg_stat_get_dead_tuples('broker_delayed'::regclass)
"""

# For sessions that TICK found to be over. That was an earlier statement, so this one's snapshot holds all
# that they ever committed; were the lock first looked at here, a last claim could be younger than the
# snapshot and be left behind. The exclusive lock makes one session of several do it. What a dead session had
# counts as one death each: the broker cannot know which of its messages ended it. Spared is what was lost
# with the server, or by a process that lives and has connected again.
REAP: Final = f"""
WITH dead AS MATERIALIZED (
  SELECT id FROM unnest($1::int[]) AS id WHERE pg_try_advisory_xact_lock({LOCK_SPACE}, id)
), gone AS (
  DELETE FROM broker_session WHERE id IN (SELECT id FROM dead) RETURNING id, client, started_at
), lost AS (
  DELETE FROM broker_delivery WHERE session_id IN (SELECT id FROM dead) RETURNING *
), judged AS (
  SELECT lost.*, client, started_at < pg_postmaster_start_time() OR EXISTS (
    SELECT FROM broker_session AS other
    WHERE other.client = gone.client AND other.id NOT IN (SELECT id FROM dead)
  ) AS is_spared
  FROM lost LEFT JOIN gone ON gone.id = session_id
), marked AS (
  SELECT judged.*, CASE WHEN is_spared IS TRUE THEN 0 ELSE 1 END AS death,
    CASE WHEN is_spared IS TRUE THEN history ELSE coalesce(history, '[]') || jsonb_build_object(
      'at', now(), 'consumer', coalesce(client, 'session ' || session_id),
      'reason', 'its session ended without a word'
    ) END AS story
  FROM judged
), returned AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, redelivered, deaths, history, envelope,
    body)
  SELECT queue, rank, marked.id, expires_at, ttl_ms, true, deaths + death, story, envelope, body
  FROM marked JOIN broker_queue ON name = queue WHERE deaths + death < $2::int
  RETURNING queue
), given_up AS (
  INSERT INTO broker_deadletter (id, queue, rank, ttl_ms, redelivered, deaths, history, envelope, body)
  SELECT marked.id, queue, rank, ttl_ms, true, deaths + death, story, envelope, body
  FROM marked JOIN broker_queue ON name = queue WHERE deaths + death >= $2::int
  RETURNING id
), silent AS (
  DELETE FROM broker_consumer WHERE session_id IN (SELECT id FROM dead) RETURNING queue
)
SELECT
  (SELECT count(*) FROM (SELECT pg_notify('broker_' || md5(queue), '') FROM (SELECT DISTINCT queue
    FROM returned) AS queues)
   AS told),
  ARRAY(SELECT name FROM broker_queue WHERE session_id IN (SELECT id FROM dead)),
  ARRAY(SELECT DISTINCT queue FROM silent),
  ARRAY(SELECT id FROM given_up),
  (SELECT count(*) FROM lost),
  ARRAY(SELECT DISTINCT client FROM gone)
"""

# Whether a session is over, for whoever wants its exclusive queue now.
IS_OVER: Final = f"SELECT pg_try_advisory_xact_lock_shared({LOCK_SPACE}, $1::int)"

# Which tables a connection reaches: server by its start, database and table by number. Null without one.
TABLES: Final = """
SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || oid || ' '
  || to_regclass('broker_message')::oid
FROM pg_database WHERE datname = current_database()
"""

# The exclusive queues of a session, which end with it.
OWN_QUEUES: Final = "SELECT name FROM broker_queue WHERE session_id = $1::int"

# A clean end. The lock goes with the connection, which is closed next.
FORGET: Final = "DELETE FROM broker_session WHERE id = $1::int"

# For a process that lost its connection and has another: the server may believe in the old session for as
# long as its keepalives take. A pid in a row could be another's now, so it must hold the lock as well; who
# holds the lock could be the session's reaper, so it must have the pid as well. The client is compared in
# case that the database is an older copy, where the number is somebody else's.
END_SESSIONS: Final = f"""
SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN broker_session ON id::bigint = objid::bigint
WHERE locktype = 'advisory' AND classid = {LOCK_SPACE} AND objsubid = 2 AND granted AND mode = 'ExclusiveLock'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid = backend_pid AND id = ANY ($1::int[]) AND client = $2::text
"""


# Publishing -------------------------------------------------------------------------------------------

# Within a transaction `now()` is its beginning, so these say `statement_timestamp()`.

# The default exchange: the routing key is the queue. One statement finds the queue, applies what it was
# declared with, stores the message and wakes its consumers. RETURNING tells how many queues took it and
# whether one has a limit.
_DIRECT: Final = "SELECT * FROM broker_queue WHERE name = $2::text AND $1::text = ''"

# The topic's patterns are regular expressions of the key's words, each with a leading dot
# (`routing.pattern`).
_ROUTED: Final = """SELECT * FROM broker_queue WHERE name IN (
    SELECT queue FROM broker_binding JOIN broker_exchange ON name = exchange
    WHERE exchange = $1::text AND CASE type
      WHEN 'fanout' THEN true WHEN 'direct' THEN routing_key = $2::text
      ELSE CASE WHEN $2::text = '' THEN '' ELSE '.' || $2::text END ~ pattern END
  )"""

# Higher priorities first. A queue without a maximum takes them as they are.
_RANK: Final = "-least($3::int, max_priority)"

_READY: Final = f"""
WITH target AS MATERIALIZED (
  {{target}}
), sent AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, envelope, body)
  SELECT name, {_RANK}, nextval('broker_message_id'),
    statement_timestamp() + least($4::bigint, message_ttl_ms) * interval '1 millisecond',
    least($4::bigint, message_ttl_ms), $5::text, $6::bytea
  FROM target RETURNING queue
)
SELECT name, max_length IS NOT NULL OR max_bytes IS NOT NULL,
  CASE WHEN $7::bool THEN pg_notify('broker_' || md5(name), '') END
FROM target
"""

# Until it is due it is in no consumer's way. Consumers know the earliest time as of a second ago; a time that
# is nearer than that they must be told.
_DELAYED: Final = f"""
WITH target AS MATERIALIZED (
  {{target}}
), sent AS (
  INSERT INTO broker_delayed (due_at, queue, rank, id, ttl_ms, envelope, body)
  SELECT $8::timestamptz, name, {_RANK}, nextval('broker_message_id'), least($4::bigint, message_ttl_ms),
    $5::text, $6::bytea
  FROM target RETURNING queue
)
SELECT name, false,
  CASE WHEN $7::bool OR $8::timestamptz < statement_timestamp() + interval '2 seconds'
    THEN pg_notify('{DUE_CHANNEL}', extract(epoch FROM $8::timestamptz)::text) END
FROM target
"""

PUBLISH: Final = _READY.format(target=_DIRECT)
PUBLISH_ROUTED: Final = _READY.format(target=_ROUTED)
PUBLISH_DELAYED: Final = _DELAYED.format(target=_DIRECT)
PUBLISH_ROUTED_DELAYED: Final = _DELAYED.format(target=_ROUTED)

# Whether a queue takes such messages, asked from outside of a transaction that sees none.
HAS_ROUTE: Final = f"SELECT EXISTS ({_DIRECT})"
HAS_ROUTES: Final = f"SELECT EXISTS ({_ROUTED})"

# Many messages, each straight to its queue: one statement, one commit. Times are null for those due now. The
# earliest is told whatever it is: a transaction may commit long after this, and the time have come.
PUBLISH_MANY: Final = """
WITH given AS MATERIALIZED (
  SELECT name, max_length IS NOT NULL OR max_bytes IS NOT NULL AS has_limit,
    -least(priority, max_priority) AS rank, nextval('broker_message_id') AS id,
    least(ttl, message_ttl_ms) AS ttl_ms, due::timestamptz AS due, envelope, body
  FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bytea[], $6::text[])
    WITH ORDINALITY AS given_row (queue, priority, ttl, envelope, body, due, nr)
  JOIN broker_queue ON name = queue ORDER BY nr
), ready AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, envelope, body)
  SELECT name, rank, id, statement_timestamp() + ttl_ms * interval '1 millisecond', ttl_ms, envelope, body
  FROM given WHERE due IS NULL
), later AS (
  INSERT INTO broker_delayed (due_at, queue, rank, id, ttl_ms, envelope, body)
  SELECT due, name, rank, id, ttl_ms, envelope, body FROM given WHERE due IS NOT NULL
)
SELECT name, has_limit, count(*), pg_notify('broker_' || md5(name), ''),
  CASE WHEN min(due) IS NOT NULL THEN pg_notify('broker_due', extract(epoch FROM min(due))::text) END
FROM given GROUP BY name, has_limit
"""

# Events, remote control and its replies: see `apps.broker.broadcast`. Whoever consumes such a queue listened
# to its channel before it subscribed, so whoever finds the subscription can rely on being heard; if the
# consumer is dead, so is the queue.
BROADCAST: Final = f"""
WITH target AS MATERIALIZED (
  {_ROUTED}
), heard AS MATERIALIZED (
  SELECT name FROM target WHERE (exclusive OR auto_delete)
    AND (SELECT count(*) = 1 AND bool_and(no_ack) FROM broker_consumer WHERE queue = name)
    AND NOT EXISTS (SELECT FROM broker_message WHERE queue = name)
), sent AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, envelope, body)
  SELECT name, {_RANK}, nextval('broker_message_id'),
    now() + least($4::bigint, message_ttl_ms) * interval '1 millisecond', least($4::bigint, message_ttl_ms),
    $5::text, $6::bytea
  FROM target WHERE name NOT IN (SELECT name FROM heard)
)
SELECT name, max_length IS NOT NULL OR max_bytes IS NOT NULL,
  pg_notify('broker_' || md5(name), CASE WHEN name IN (SELECT name FROM heard) THEN $7::text ELSE '' END)
FROM target
"""

# For what was published within the pause between two notifications (`apps.broker.announcement`).
NOTIFY: Final = "SELECT pg_notify('broker_' || md5(name), '') FROM unnest($1::text[]) AS name"

# A full queue drops its oldest, as RabbitMQ's does unless told otherwise.
TRIM: Final = """
DELETE FROM broker_message AS m USING (
  SELECT rank, id, row_number() OVER newest AS place, sum(octet_length(body)) OVER newest AS bytes,
    max_length, max_bytes
  FROM broker_message JOIN broker_queue ON name = queue WHERE queue = $1::text
  WINDOW newest AS (ORDER BY rank DESC, id DESC)
) AS kept
WHERE m.queue = $1::text AND m.rank = kept.rank AND m.id = kept.id
  AND (place > max_length OR bytes > max_bytes)
"""


# Delivery ---------------------------------------------------------------------------------------------

# The next messages of one queue. SKIP LOCKED: what another session is claiming in this moment is passed over,
# not waited for. By ctid, since the rows are found and locked already. From a position on: before it lie the
# dead entries of what was claimed since the last vacuum, and each claim would walk through all of them. What
# returns, or is of a higher priority, lies before it as well, so the position is only good for a moment: see
# `subscription.Hot`.
_PICKED: Final = """
  DELETE FROM broker_message WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM broker_message WHERE queue = {0} AND (rank, id) > ({2}, {3})
    ORDER BY rank, id LIMIT {1} FOR UPDATE SKIP LOCKED
  )) RETURNING *
"""

# A claim need not wait for the disk: if the server crashes, the session ends with it, and what it had claimed
# returns, whether or not the claim survives. For this transaction alone, with no round trip of its own. What
# is acknowledged does wait.
_RELAXED: Final = "relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"

# For consumers that acknowledge. An expired message is dropped here, and counted by the client as one that
# was there.
_KEPT: Final = """
  INSERT INTO broker_delivery
    (id, session_id, queue, rank, expires_at, ttl_ms, redelivered, deaths, history, envelope, body)
  SELECT id, $1::int, queue, rank, expires_at, ttl_ms, redelivered, deaths, history, envelope, body
  FROM picked WHERE expires_at IS NULL OR expires_at > now()
"""
_CLAIMED: Final = _PICKED.format("$2::text", "$3::int", "$4::smallint", "$5::bigint")
_ANSWER: Final = """
SELECT id, redelivered, expires_at IS NOT NULL AND expires_at <= now(), envelope, body, rank
"""

CLAIM: Final = f"""
WITH {_RELAXED}, picked AS ({_CLAIMED}), kept AS ({_KEPT})
{_ANSWER} FROM picked CROSS JOIN relaxed ORDER BY rank, id
"""

# The same, with the acknowledgement of what is done: one round trip and one flush of the log for both.
ACK_AND_CLAIM: Final = f"""
WITH done AS (
  DELETE FROM broker_delivery WHERE id = ANY ($6::bigint[]) AND session_id = $1::int
), picked AS ({_CLAIMED}), kept AS ({_KEPT})
{_ANSWER} FROM picked ORDER BY rank, id
"""

# For consumers without acknowledgement: gone when delivered.
TAKE: Final = f"""
WITH picked AS ({_PICKED.format("$1::text", "$2::int", "$3::smallint", "$4::bigint")})
{_ANSWER} FROM picked ORDER BY rank, id
"""

ACK: Final = "DELETE FROM broker_delivery WHERE id = ANY ($2::bigint[]) AND session_id = $1::int"

# Back to its old place in the queue, if there still is one.
RELEASE: Final = """
WITH back AS (
  DELETE FROM broker_delivery WHERE session_id = $1::int AND id = ANY ($2::bigint[]) RETURNING *
), returned AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, redelivered, deaths, history, envelope,
    body)
  SELECT queue, rank, back.id, expires_at, ttl_ms, $3::bool OR redelivered, deaths, history, envelope, body
  FROM back JOIN broker_queue ON name = queue RETURNING queue
)
SELECT pg_notify('broker_' || md5(queue), '') FROM (SELECT DISTINCT queue FROM returned) AS queues
"""

# A pool process died with it while its worker lives: one death, for this message alone.
RELEASE_LOST: Final = """
WITH lost AS (
  DELETE FROM broker_delivery WHERE session_id = $1::int AND id = $2::bigint RETURNING *
), marked AS (
  SELECT lost.*, coalesce(history, '[]') || jsonb_build_object(
    'at', now(), 'consumer', $4::text, 'reason', $5::text
  ) AS story FROM lost JOIN broker_queue ON name = queue
), returned AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, redelivered, deaths, history, envelope,
    body)
  SELECT queue, rank, id, expires_at, ttl_ms, true, deaths + 1, story, envelope, body
  FROM marked WHERE deaths + 1 < $3::int RETURNING queue
), given_up AS (
  INSERT INTO broker_deadletter (id, queue, rank, ttl_ms, redelivered, deaths, history, envelope, body)
  SELECT id, queue, rank, ttl_ms, true, deaths + 1, story, envelope, body
  FROM marked WHERE deaths + 1 >= $3::int RETURNING id
)
SELECT ARRAY(SELECT id FROM given_up), (SELECT pg_notify('broker_' || md5(queue), '')::text FROM returned)
"""

# What was given up, for whoever wants to know of its end.
DEAD_LETTERS: Final = """
SELECT envelope, body, deaths, history -> -1 ->> 'reason' FROM broker_deadletter WHERE id = ANY ($1::bigint[])
"""

# Due messages become ready ones, a thousand at a time, and their consumers are told.
PROMOTE: Final = """
WITH due AS (
  DELETE FROM broker_delayed WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM broker_delayed WHERE due_at <= clock_timestamp()
    ORDER BY due_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED
  )) RETURNING *
), ready AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, redelivered, deaths, history, envelope,
    body)
  SELECT queue, rank, due.id, now() + ttl_ms * interval '1 millisecond', ttl_ms, redelivered, deaths,
    history, envelope, body
  FROM due JOIN broker_queue ON name = queue RETURNING queue
), told AS MATERIALIZED (
  SELECT queue, pg_notify('broker_' || md5(queue), '') FROM (SELECT DISTINCT queue FROM ready) AS queues
)
SELECT (SELECT count(*) FROM due), ARRAY(SELECT queue FROM told)
"""


# Maintenance ------------------------------------------------------------------------------------------

QUEUE_TABLES: Final = ("broker_message", "broker_delivery", "broker_delayed")

# A claim drops what has expired when it meets it; where nobody claims, this does. Its index holds such
# messages alone.
DROP_EXPIRED: Final = "DELETE FROM broker_message WHERE expires_at < now()"

# Of a queue that was deleted while a transaction held messages to it. The names are found one by one in the
# index, however many messages there are.
DROP_ORPHANS: Final = """
WITH RECURSIVE names AS (
  SELECT min(queue) AS name FROM broker_message
  UNION ALL
  SELECT (SELECT min(queue) FROM broker_message WHERE queue > names.name) FROM names WHERE name IS NOT NULL
)
DELETE FROM broker_message WHERE queue IN (
  SELECT name FROM names WHERE name IS NOT NULL
    AND NOT EXISTS (SELECT FROM broker_queue AS queues WHERE queues.name = names.name)
)
"""

INDEXES: Final = """
SELECT pg_class.relname::text, indrelid::regclass::text, pg_relation_size(indexrelid), indisvalid
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY 1
"""

# So many rows or more, by table. Counted, not taken from the statistics: VACUUM passes over pages that it
# knows to be visible, and goes on counting there the rows of a backlog that was drained long ago.
ROWS: Final = {
    table: f"SELECT count(*) FROM (SELECT FROM {table} LIMIT $1::bigint) AS found" for table in QUEUE_TABLES
}


# Queues and exchanges ---------------------------------------------------------------------------------

DECLARE_EXCHANGE: Final = """
INSERT INTO broker_exchange (name, type, durable, auto_delete, arguments)
VALUES ($1::text, $2::text, $3::bool, $4::bool, $5::jsonb) ON CONFLICT DO NOTHING
"""

FIND_EXCHANGE: Final = (
    "SELECT type, durable, auto_delete, arguments FROM broker_exchange WHERE name = $1::text"
)

EXCHANGE_IN_USE: Final = "SELECT EXISTS (SELECT FROM broker_binding WHERE exchange = $1::text)"

DELETE_EXCHANGE: Final = """
WITH unbound AS (DELETE FROM broker_binding WHERE exchange = $1::text)
DELETE FROM broker_exchange WHERE name = $1::text
"""

DECLARE_QUEUE: Final = """
INSERT INTO broker_queue (name, durable, exclusive, auto_delete, arguments, session_id,
  max_priority, max_length, max_bytes, message_ttl_ms, expires_ms)
VALUES ($1::text, $2::bool, $3::bool, $4::bool, $5::jsonb, $6::int, $7::int, $8::bigint, $9::bigint,
  $10::bigint, $11::bigint)
ON CONFLICT DO NOTHING
"""

FIND_QUEUE: Final = (
    "SELECT durable, exclusive, auto_delete, arguments, session_id FROM broker_queue WHERE name = $1::text"
)

# Ready messages and consumers, as a declaration answers.
COUNT_QUEUE: Final = """
SELECT (SELECT count(*) FROM broker_message
  WHERE queue = $1::text AND (expires_at IS NULL OR expires_at > now())),
  (SELECT count(*) FROM broker_consumer WHERE queue = $1::text)
"""

# A queue that expires does so when it has been neither declared nor asked for a while.
TOUCH_QUEUE: Final = (
    "UPDATE broker_queue SET used_at = now() WHERE name = $1::text AND expires_ms IS NOT NULL"
)

# Whoever has found the exchange without bindings is told.
BIND: Final = f"""
WITH made AS (
  INSERT INTO broker_binding (exchange, queue, routing_key, pattern)
  VALUES ($1::text, $2::text, $3::text, $4::text) ON CONFLICT DO NOTHING RETURNING exchange
)
SELECT pg_notify('{BOUND_CHANNEL}', exchange) FROM made
"""

UNBIND: Final = """
DELETE FROM broker_binding WHERE exchange = $1::text AND queue = $2::text AND routing_key = $3::text
"""

# An exchange that deletes itself does so with its last binding.
DROP_UNBOUND: Final = """
DELETE FROM broker_exchange WHERE auto_delete AND name = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM broker_binding WHERE exchange = name)
"""

LIST_BINDINGS: Final = "SELECT exchange, queue, routing_key FROM broker_binding ORDER BY id"

PURGE: Final = "DELETE FROM broker_message WHERE queue = $1::text"

# Everything of a queue. What is with a consumer goes too; its acknowledgement then finds nothing, which is
# right.
DELETE_QUEUES: Final = """
WITH names AS MATERIALIZED (SELECT unnest($1::text[]) AS name),
unbound AS (DELETE FROM broker_binding WHERE queue IN (SELECT name FROM names) RETURNING exchange),
ready AS (DELETE FROM broker_message WHERE queue IN (SELECT name FROM names) RETURNING 1),
later AS (DELETE FROM broker_delayed WHERE queue IN (SELECT name FROM names)),
taken AS (DELETE FROM broker_delivery WHERE queue IN (SELECT name FROM names)),
consumers AS (DELETE FROM broker_consumer WHERE queue IN (SELECT name FROM names)),
queues AS (DELETE FROM broker_queue WHERE name IN (SELECT name FROM names) RETURNING name),
told AS MATERIALIZED (SELECT pg_notify('broker_' || md5(name), 'deleted') FROM queues)
SELECT (SELECT count(*) FROM ready), ARRAY(SELECT DISTINCT exchange FROM unbound), (SELECT count(*) FROM told)
"""

SUBSCRIBE: Final = """
INSERT INTO broker_consumer (session_id, queue, tag, no_ack, exclusive)
VALUES ($1::int, $2::text, $3::text, $4::bool, $5::bool)
"""

EXCLUSIVELY_CONSUMED: Final = """
SELECT EXISTS (SELECT FROM broker_consumer WHERE queue = $1::text AND (exclusive OR $2::bool))
"""

UNSUBSCRIBE: Final = (
    "DELETE FROM broker_consumer WHERE session_id = $1::int AND tag = $2::text RETURNING queue"
)

# Of these queues, the ones that delete themselves and have lost their last consumer.
ABANDONED: Final = """
SELECT name FROM broker_queue WHERE auto_delete AND name = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM broker_consumer WHERE queue = name)
"""

EXPIRED_QUEUES: Final = """
SELECT name FROM broker_queue
  WHERE expires_ms IS NOT NULL AND used_at < now() - expires_ms * interval '1 millisecond'
  AND NOT EXISTS (SELECT FROM broker_consumer WHERE queue = name)
"""


# What operators see and do ---------------------------------------------------------------------------

# For the transaction of the overview. The heads of queues are to be read in the order of the index; without
# fresh statistics the planner would rather sort a whole queue. Compiling would cost more than it spares.
LOOK_SETTINGS: Final = """
SELECT set_config(name, value, true)
FROM (VALUES ('enable_bitmapscan', 'off'), ('jit', 'off')) AS wanted (name, value)
"""

# Who holds a lock of ours lives. Looked up, not tried: a try would take the lock for a moment, and keep a
# reaper waiting.
LIVE_SESSIONS: Final = f"""
SELECT objid::bigint AS id FROM pg_locks
WHERE locktype = 'advisory' AND classid = {LOCK_SPACE} AND objsubid = 2 AND mode = 'ExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Every figure is counted, none estimated: the waiting ones in the index (a million take 0.1 s, and 0.2 s
# until they are vacuumed for the first time), the delayed ones in their table (a million take 0.5 s).
# Expired messages that nobody has met yet do not count. How long the oldest one waits is looked up among
# the first thousand of each priority: what came back or fell due lately stands before older ones. A
# consumer whose session is over does not count. A deleted queue is there as long as it has dead letters.
# What is due and was not moved yet, since no consumer is there to do it, waits like the rest.
OVERVIEW: Final = f"""
WITH ready AS (
  SELECT queue, count(*) AS number FROM broker_message GROUP BY queue
), expired AS (
  SELECT queue, count(*) AS number FROM broker_message WHERE expires_at <= now() GROUP BY queue
), delayed AS (
  SELECT queue, count(*) FILTER (WHERE due_at > now()) AS number,
    count(*) FILTER (WHERE due_at <= now()) AS due, min(due_at) FILTER (WHERE due_at <= now()) AS oldest
  FROM broker_delayed GROUP BY queue
), unacknowledged AS (
  SELECT queue, count(*) AS number FROM broker_delivery GROUP BY queue
), dead AS (
  SELECT queue, count(*) AS number FROM broker_deadletter GROUP BY queue
), consumers AS (
  SELECT queue, count(*) AS number FROM broker_consumer
  WHERE session_id IN (SELECT id FROM ({LIVE_SESSIONS}) AS live) GROUP BY queue
), names AS (
  SELECT name, true AS declared FROM broker_queue
  UNION ALL SELECT queue, false FROM dead WHERE queue NOT IN (SELECT name FROM broker_queue)
)
SELECT name, declared, coalesce(ready.number, 0) - coalesce(expired.number, 0) + coalesce(delayed.due, 0),
  coalesce(delayed.number, 0), coalesce(unacknowledged.number, 0),
  extract(epoch FROM clock_timestamp() - least(delayed.oldest, (
    WITH RECURSIVE ranks AS (
      SELECT min(rank) AS rank FROM broker_message WHERE queue = name
      UNION ALL
      SELECT (SELECT min(m.rank) FROM broker_message AS m WHERE m.queue = name AND m.rank > ranks.rank)
      FROM ranks WHERE ranks.rank IS NOT NULL
    )
    SELECT min(ready_at) FROM ranks CROSS JOIN LATERAL (
      SELECT ready_at FROM broker_message AS m
      WHERE m.queue = name AND m.rank = ranks.rank AND (expires_at IS NULL OR expires_at > now())
      ORDER BY id LIMIT 1000
    ) AS head
  )))::float8,
  coalesce(consumers.number, 0), coalesce(dead.number, 0)
FROM names
LEFT JOIN ready ON ready.queue = name LEFT JOIN expired ON expired.queue = name
LEFT JOIN delayed ON delayed.queue = name LEFT JOIN unacknowledged ON unacknowledged.queue = name
LEFT JOIN consumers ON consumers.queue = name LEFT JOIN dead ON dead.queue = name
ORDER BY name
"""

# Dead letters go back to their old places, as if no consumer had died with them; the history stays, and so
# does the mark that they were delivered before. Those whose queue is gone stay where they are. Of two
# requests for the same letter the second one finds nothing. Each letter that was asked for is told of:
# moved, without a queue, or neither, which is gone.
REQUEUE: Final = """
WITH asked AS MATERIALIZED (
  SELECT DISTINCT id FROM unnest($1::bigint[]) AS id
), back AS (
  DELETE FROM broker_deadletter AS dead USING asked, broker_queue
  WHERE dead.id = asked.id AND name = dead.queue RETURNING dead.*
), returned AS (
  INSERT INTO broker_message (queue, rank, id, expires_at, ttl_ms, redelivered, deaths, history, envelope,
    body)
  SELECT queue, rank, id, now() + ttl_ms * interval '1 millisecond', ttl_ms, true, 0, history, envelope, body
  FROM back RETURNING queue, id
), told AS MATERIALIZED (
  SELECT queue, pg_notify('broker_' || md5(queue), '') FROM (SELECT DISTINCT queue FROM returned) AS queues
)
SELECT asked.id, dead.queue, told.queue IS NOT NULL, dead.queue IS NOT NULL AND name IS NULL
FROM asked
LEFT JOIN broker_deadletter AS dead ON dead.id = asked.id LEFT JOIN broker_queue ON name = dead.queue
LEFT JOIN returned ON returned.id = asked.id LEFT JOIN told ON told.queue = returned.queue
ORDER BY asked.id
"""

DISCARD: Final = "DELETE FROM broker_deadletter WHERE id = ANY ($1::bigint[]) RETURNING id"


# Kombu's own tables -----------------------------------------------------------------------------------

LEGACY_EXISTS: Final = """
SELECT to_regclass('kombu_message') IS NOT NULL AND to_regclass('kombu_queue') IS NOT NULL
"""

# Session ids begin at 1.
LEGACY_LOCK: Final = f"SELECT pg_try_advisory_xact_lock({LOCK_SPACE}, 0)"

# In the order of publication. A row that kombu has locked is one that an old worker is about to take. Kombu's
# queues for remote control and events are those of processes that have ended.
LEGACY_NEXT: Final = """
SELECT m.id, q.name, m.payload FROM kombu_message AS m JOIN kombu_queue AS q ON q.id = m.queue_id
WHERE m.visible AND m.id > $1::bigint AND q.name NOT LIKE '%.pidbox' AND q.name NOT LIKE 'celeryev%'
ORDER BY m.id LIMIT $2::int FOR UPDATE OF m SKIP LOCKED
"""

LEGACY_TAKEN: Final = "DELETE FROM kombu_message WHERE id = ANY ($1::bigint[])"
