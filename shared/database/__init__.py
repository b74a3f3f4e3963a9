"""Postgres, the database of truth: tables, migrations and the repositories, the only SQL."""
