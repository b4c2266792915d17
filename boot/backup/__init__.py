"""Backup and restore of database and uploads. What the file holds is said in docs/backup.md."""
