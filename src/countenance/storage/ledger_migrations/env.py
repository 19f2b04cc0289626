"""Run by alembic inside `Database.migrate`, on its connection and in its transaction: all revisions or none."""

from __future__ import annotations

from alembic import context

from countenance.storage.ledger_schema import LEDGER

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=LEDGER.metadata,
    version_table=LEDGER.version_table,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
