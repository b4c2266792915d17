"""What beat's loop tells whoever listens."""

from __future__ import annotations

from django.dispatch import Signal

# After each turn of the loop, with `reasons`: why nothing can be scheduled right now, in plain words.
turned = Signal()
