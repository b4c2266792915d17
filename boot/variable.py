"""What one environment variable is, as the registry in `boot.env` declares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from boot.values import Kind

Raw = Mapping[str, str]  # names to texts; unset ones are left out
Default = str | Callable[[Raw], str | None] | None


@dataclass(frozen=True)
class Variable:
    """One environment variable, and all that messages, tables and pages say of it.

    A callable default gets the texts of the variables declared before it; `default_text` says in
    words what it yields. `production` is the default there, where it differs.
    """

    name: str
    kind: Kind
    roles: tuple[str, ...]  # which roles read it
    help: str
    default: Default = None
    production: Default = None
    required: bool = False  # in Production, where `default` then does not hold
    default_text: str = ""
    secret: bool = False

    def default_for(self, given: Raw) -> str | None:
        """The default's text under the configuration that `given` names; None where there is none."""
        in_production = given.get("DJANGO_CONFIGURATION") == "Production"
        if in_production and self.required:
            return None
        chosen = self.production if in_production and self.production is not None else self.default
        return chosen(given) if callable(chosen) else chosen
