"""What the transport raises.

AMQP's own errors where AMQP has one, so that code written for RabbitMQ catches them.
"""

from __future__ import annotations

from amqp import exceptions as amqp_errors

NotFound = amqp_errors.NotFound  # 404
ResourceLocked = amqp_errors.ResourceLocked  # 405
PreconditionFailed = amqp_errors.PreconditionFailed  # 406
NotSupported = amqp_errors.AMQPNotImplementedError  # 540
AccessRefused = amqp_errors.AccessRefused  # 403
NotAllowed = amqp_errors.NotAllowed  # 530
ConsumerCancelled = amqp_errors.ConsumerCancelled


class ConnectionLost(amqp_errors.RecoverableConnectionError):
    """The connection to PostgreSQL was lost; what it had claimed returns to its queues."""


class BrokerUnusable(Exception):
    """Trying again would not help: the message names what is wrong and what mends it."""


NO_TABLES = "the broker's database lacks its tables; run: doorito broker migrate"
