"""A small retailer, made up and the same every time: what the tests run on instead of the demo.

"Corner Shop" in Berlin: 120 households, 150 products, 20 weeks from the first day of a leap year, one CSV file a day.
Every household has about two dozen favourites, each bought again after its own number of days: what is due can be
learnt, and frequency alone does not tell it. On Easter Sunday, on which the clocks change too, the shop is closed.
Some of its identifiers and names are what a screen, a table or a page would take for markup.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

FIRST_DAY = dt.date(2024, 1, 1)
LAST_DAY = dt.date(2024, 5, 19)
CLOSED_DAY = dt.date(2024, 3, 31)
HOUSEHOLDS, PRODUCTS = 120, 150
SEED = 20240101

HOSTILE_HOUSEHOLDS = {13: "[/b]", 17: "K[red]1[/red]", 19: "a|b <script>$x$"}
HOSTILE_NAMES = (
    "[/b]",
    "K[red]1[/red]",
    "a|b",
    "<script>alert(1)</script>",
    "$x$ and $y$",
    "![x](http://x.test/x.png)",
    "🥛 שלום",
    "`a`",
)
HOSTILE_DEPARTMENT = "HOME | <b> $x$ [/b]"

CATEGORIES = {
    "FRESH": ("MILK", "YOGHURT", "EGGS", "FRUIT", "VEGETABLES"),
    "GROCERY": ("BREAD", "PASTA", "COFFEE", "SWEETS"),
    HOSTILE_DEPARTMENT: ("PAPER", "DETERGENT"),
    "SERVICES": ("BAGS",),  # sold, but nothing to recommend
}

CONFIG = """
name = "corner_shop"
title = "Corner Shop"
timezone = "Europe/Berlin"
currency = "EUR"
first_business_day = {first_day}
last_business_day = {last_day}
closed_days = [{closed_day}]

[transactions]
path = "{folder}/sales/{{date}}.csv"

[transactions.columns]
household_id = "customer"
basket_id = "receipt"
product_id = "article"
occurred_at = "bought_at"
quantity = "items"
sales_value = "paid"

[products]
path = "{folder}/articles.csv"

[products.columns]
product_id = "article"
name = "name"
category = "category"
department = "department"

[products.not_recommendable]
department = ["SERVICES"]

[model]
label_weeks = 2
candidates = 40
new_candidates = 10
parameters = {{ trees = 30, learning_rate = 0.2, min_data_in_leaf = 20 }}

[promotion]
bootstrap_samples = 300
min_households = 20
"""


def write(folder: Path) -> Path:
    """Write the sales, the catalogue and the configuration into `folder`; returns the configuration's file."""
    _write_sales(folder / "sales")
    _write_articles(folder / "articles.csv")
    config = folder / "corner_shop.toml"
    config.write_text(
        CONFIG.format(folder=folder, first_day=FIRST_DAY, last_day=LAST_DAY, closed_day=CLOSED_DAY), encoding="utf-8"
    )
    return config


def days() -> list[dt.date]:
    """All business days, the closed one included."""
    return [FIRST_DAY + dt.timedelta(days=day) for day in range((LAST_DAY - FIRST_DAY).days + 1)]


def _write_articles(file: Path) -> None:
    lines = ["article,name,category,department"]
    places = [(department, category) for department, names in CATEGORIES.items() for category in names]
    for number in range(PRODUCTS):
        department, category = places[number % len(places)]
        name = f"{category.title()} No. {number} {HOSTILE_NAMES[number % len(HOSTILE_NAMES)]}"
        lines.append(f"{_article(number)},{name},{category},{department}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_sales(folder: Path) -> None:
    import numpy as np

    random = np.random.default_rng(SEED)
    popularity = 1 / np.arange(5, PRODUCTS + 5)
    popularity /= popularity.sum()
    prices = random.uniform(0.5, 12, PRODUCTS).round(2)
    sold: dict[dt.date, list[str]] = {day: [] for day in days() if day != CLOSED_DAY}
    for household in range(HOUSEHOLDS):
        favourites = random.choice(PRODUCTS, size=24, replace=False, p=popularity)
        periods = random.integers(6, 36, size=24)
        due = random.uniform(0, periods)  # days since the first one
        for number, day in enumerate(days()):
            if day == CLOSED_DAY or random.random() > 0.4:
                continue
            wanted = due <= number
            due[wanted] = number + periods[wanted] * random.normal(1, 0.1, wanted.sum()).clip(0.5, 1.5)
            on_a_whim = random.choice(PRODUCTS, size=random.integers(1, 3), p=popularity)
            basket = {*favourites[wanted].tolist(), *on_a_whim.tolist()}
            at = dt.datetime.combine(day, dt.time(7)) + dt.timedelta(minutes=int(random.integers(0, 14 * 60)))
            for article in sorted(basket):
                items = int(random.integers(1, 4))
                sold[day].append(
                    f"{_customer(household)},R-{household:04}-{number:03},{_article(article)},{at:%Y-%m-%d %H:%M:%S},"
                    f"{items},{items * prices[article]:.2f}"
                )
    folder.mkdir(parents=True)
    for day, lines in sold.items():
        (folder / f"{day}.csv").write_text(
            "\n".join(["customer,receipt,article,bought_at,items,paid", *lines]) + "\n", encoding="utf-8"
        )


def _customer(number: int) -> str:
    return HOSTILE_HOUSEHOLDS.get(number, f"H-{number:04}")


def _article(number: int) -> str:
    return f"P-{number:03}"
