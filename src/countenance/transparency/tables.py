"""All tables of the report, and the sheet of counts that they are views of."""

from __future__ import annotations

from countenance.transparency.accounts import Accounts
from countenance.transparency.sheet import Sheet, Table
from countenance.transparency.tables_of_duties import (
    tables_of_authorizations,
    tables_of_changes,
    tables_of_collections,
    tables_of_irregularities,
    tables_of_reviews,
)
from countenance.transparency.tables_of_uses import (
    tables_of_denials,
    tables_of_moratoria,
    tables_of_searches,
    tables_of_uses,
)

# In the order of the report.
_MAKERS = (
    tables_of_searches,
    tables_of_reviews,
    tables_of_denials,
    tables_of_moratoria,
    tables_of_authorizations,
    tables_of_collections,
    tables_of_uses,
    tables_of_changes,
    tables_of_irregularities,
)


def make_tables(accounts: Accounts) -> tuple[Sheet, list[Table]]:
    """All counts with the sums between them, and the tables in which they are told. Every table is always there."""
    sheet = Sheet()
    return sheet, [table for make in _MAKERS for table in make(sheet, accounts)]
