"""Following work: one look at Postgres for all who wait in this process, and what each is told."""
