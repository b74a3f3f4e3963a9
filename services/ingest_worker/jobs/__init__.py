"""The steps of a job: claim, work, then finish or fail in one transaction."""
