"""Every table there is, whichever file has it: what a migration makes and tests compare."""

from sqlalchemy import MetaData

from shared.database import answer_tables, file_tables, quality_tables, tables, upkeep_tables

# Each file adds its tables to the one object when it is imported.
_FILES = (tables, quality_tables, upkeep_tables, answer_tables, file_tables)
metadata: MetaData = _FILES[0].metadata
