"""The operations database: decisions, as rows that are only ever added. SQLite by default, any SQLAlchemy URL otherwise."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True, kw_only=True)
class PromotionRecord:
    """One night's decision on who is champion; versions are those of the model registry."""

    business_date: dt.date
    challenger: int
    champion_before: int | None
    champion_after: int | None
    is_promoted: bool
    reasons: Sequence[str]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    decided_at: dt.datetime
    run_id: str


class OperationsDatabase(dg.ConfigurableResource):
    """Decisions of one retailer."""

    url: str = Field(description="SQLAlchemy URL.")

    @cached_property
    def _engine(self) -> sa.Engine:
        import pathlib

        import sqlalchemy as sa

        engine = sa.create_engine(self.url)
        if engine.url.get_backend_name() == "sqlite" and engine.url.database:
            pathlib.Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._promotions.metadata.create_all(engine)
        return engine

    @cached_property
    def _promotions(self) -> sa.Table:
        import sqlalchemy as sa

        return sa.Table(
            "promotions",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("business_date", sa.Date, nullable=False, index=True),
            sa.Column("challenger", sa.Integer, nullable=False),
            sa.Column("champion_before", sa.Integer),
            sa.Column("champion_after", sa.Integer),
            sa.Column("is_promoted", sa.Boolean, nullable=False),
            sa.Column("reasons", sa.JSON, nullable=False),
            sa.Column("numbers", sa.JSON, nullable=False),
            sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("run_id", sa.String, nullable=False),
        )

    def record(self, promotion: PromotionRecord) -> None:
        """Add a decision."""
        row = {
            **vars(promotion),
            "reasons": list(promotion.reasons),
            "numbers": json.loads(json.dumps(promotion.numbers)),
        }
        with self._engine.begin() as connection:
            connection.execute(self._promotions.insert().values(**row))

    def promotions(self, *, until: dt.date | None = None) -> list[PromotionRecord]:
        """All decisions for business days up to `until`, by day, then in the order in which they were taken."""
        query = self._promotions.select().order_by(self._promotions.c.business_date, self._promotions.c.id)
        if until:
            query = query.where(self._promotions.c.business_date <= until)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [PromotionRecord(**{name: value for name, value in row.items() if name != "id"}) for row in rows]

    def champion_as_of(self, day: dt.date) -> int | None:
        """The version that was champion after the night of `day`: what a score of that day is, and stays, made with."""
        decided = self.promotions(until=day)
        return decided[-1].champion_after if decided else None
