"""Logs and metrics, set up once in each process."""
