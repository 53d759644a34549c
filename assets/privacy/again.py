"""Who was erased and is there again, because something was restored that is older than the erasure."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from assets.privacy.find import kept_copies
from assets.privacy.personal_data import LINE, RULE, ErasureScope
from assets.privacy.suppression import suppression_list
from resources.feeds import redaction
from resources.identifiers import identifier
from resources.tables import history


def back_again(scope: ErasureScope) -> list[str]:
    """The subjects on record as erased that a table, a quarantined line or a kept copy of a delivered file names."""
    suppressed, found = suppression_list(scope.operations, key=scope.key), set()
    if not suppressed:
        return []

    def matches(value: str) -> bool:
        if is_one := suppressed.has(value):
            found.add(identifier(value))
        return is_one

    data = scope.data
    for _, store in scope.stores():
        for name in history.names(store):
            for file in history.data_files(store, name):
                rows = history.columns_of(store, file, [data.column, RULE, LINE])
                if rows is None:
                    continue
                if data.column in rows.column_names:
                    for value in rows[data.column].unique().to_pylist():
                        matches(identifier(value))
                elif {RULE, LINE} <= set(rows.column_names):
                    for row in rows.select([RULE, LINE]).to_pylist():
                        data.quarantined.names(row, matches)
    for copy, feed in kept_copies(scope):
        redaction.count_in(copy, feed.files, feed.column, matches)
    return sorted(found)
