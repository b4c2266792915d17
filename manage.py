#!/usr/bin/env python3
"""Django's commands for this project."""

import os
import sys

from boot.env import load_or_exit


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "boot.settings")
    load_or_exit()  # before Django, which would hide for some commands what is wrong
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
