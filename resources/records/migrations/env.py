"""Run by Alembic: migrates in the transaction that the configuration brings along."""

from alembic import context

from resources.records.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
