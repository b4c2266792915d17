from django import template

from apps.uploads import sizes

register = template.Library()
register.filter("readable", sizes.readable)
