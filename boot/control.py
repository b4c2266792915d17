"""Talks to the supervisord of the stack that runs here, over its private socket."""

from __future__ import annotations

import http.client
import xmlrpc.client
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from boot import health


class NotRunning(Exception):
    """Nothing answers; the message says where it was looked for, and what to do."""


class Refused(Exception):
    """supervisord did not do what it was asked; the message says why."""


class Control:
    """A stack's supervisord, by its runtime folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or health.runtime_dir()
        self._address = f"unix://{self.folder}/supervisor.sock"
        transport = SupervisorTransport(None, None, self._address)
        self._proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def ask(self, method: str, *arguments: Any) -> Any:
        """The answer of one of its methods, such as "supervisor.getState". Raises NotRunning, Refused."""
        try:
            return getattr(self._proxy, method)(*arguments)
        except xmlrpc.client.Fault as error:
            stops = error.faultCode == Faults.SHUTDOWN_STATE
            raise Refused("the stack is being stopped" if stops else error.faultString) from error
        except xmlrpc.client.ProtocolError as error:
            raise Refused(f"supervisord answers {error.errcode} {error.errmsg}") from error
        except PermissionError as error:
            raise NotRunning(f"{self._address} may not be used; ask as the user whose stack it is") from error
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"no stack runs here ({self.folder}); start one with `doorito run`") from error
