"""What supervisorctl and `doorito` ask supervisord, over its private socket.

`supervisor`: supervisord's own namespace, where each process says whether it is ready as well. `doorito`: the
same facts as numbers. An answer waits for the web server's, and supervisord's loop does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from supervisor.http import NOT_DONE_YET
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

if TYPE_CHECKING:
    from boot.supervision.vitals import Vitals

# What only looks is answered during a stop as well, where supervisord itself refuses everything.
LOOKS: Final = frozenset(
    {"getAPIVersion", "getSupervisorVersion", "getIdentification", "getState", "getPID", "getProcessInfo",
     "getAllProcessInfo"}
)  # fmt: skip
Changes = dict[str, list[str]]
AGAIN_S: Final = 0.01  # seconds between two looks at an answer that waits


def deferred(is_answered: Callable[[], bool], answer: Callable[[], Any]) -> Callable[[], Any]:
    """A function such as supervisord's RPC takes for an answer that comes later."""

    def later() -> Any:
        return answer() if is_answered() else NOT_DONE_YET

    later.delay = AGAIN_S  # type: ignore[attr-defined]
    return later


class SupervisorInterface(SupervisorNamespaceRPCInterface):  # type: ignore[misc] # supervisor brings no types
    """supervisord's namespace; its descriptions tell readiness."""

    def __init__(self, supervisord: Any, vitals: Vitals) -> None:
        super().__init__(supervisord)
        self._vitals = vitals

    def _update(self, text: str) -> None:
        if text not in LOOKS:
            super()._update(text)

    def getProcessInfo(self, name: str) -> Any:  # noqa: N802 - supervisord's name
        """Get info about a process named name, with its readiness in the description

        @param string name The name of the process (or 'group:name')
        @return struct result     A structure containing data about the process
        """
        self._update("getProcessInfo")
        return deferred(self._vitals.ask(), lambda: super(SupervisorInterface, self).getProcessInfo(name))

    def getAllProcessInfo(self) -> Any:  # noqa: N802 - supervisord's name
        """Get info about all processes, with their readiness in the descriptions

        @return array result  An array of process status results
        """
        self._update("getAllProcessInfo")
        return deferred(self._vitals.ask(), self._all_infos)

    def _all_infos(self) -> list[Any]:
        one = super().getProcessInfo
        processes = self._getAllProcesses(lexical=True)
        return [one(f"{group.config.name}:{process.config.name}") for group, process in processes]

    def _interpretProcessInfo(self, info: dict[str, Any]) -> str:  # noqa: N802 - supervisord's name
        description: str = super()._interpretProcessInfo(info)
        readiness = self._vitals.words(info["name"])
        return ", ".join(filter(None, (description, readiness)))


class DooritoInterface:
    """The namespace `doorito`."""

    def __init__(self, vitals: Vitals, renew: Callable[[], Changes]) -> None:
        self._vitals = vitals
        self._renew = renew

    def getStatus(self) -> Any:  # noqa: N802 - as supervisord names its methods
        """Get what is known of all programs, first started first

        @return array result  A struct each: name, state, pid, uptime_s, restarts, ready, reasons, processes
        """
        return deferred(self._vitals.ask(), self._vitals.status)

    def renew(self) -> Changes:
        """Read the configuration again and restart all programs, by the plan in the runtime folder

        @return struct result  Names of programs: restarting, added, removed
        """
        return self._renew()
