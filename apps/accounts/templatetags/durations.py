from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def in_words(duration: timedelta) -> str:
    """Such as "15 minutes"."""
    now = timezone.now()
    return timesince(now - duration, now)
