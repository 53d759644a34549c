"""Which lines are purchases, by columns that say what a line is: of yes and no, of kinds, or what became of a row."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import MOST_KINDS, ColumnProfile, said_in, shown
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.words import KEYS, split_name
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis

PURCHASES = frozenset(
    """purchase purchased transaction sale sales sold sell buy bought order ordered complete completed paid delivered shipped closed
    verkauf kauf vente achat venta compra vendita acquisto verkoop aankoop salg sprzedaz prodazha
    invoice invoiced rechnung facture factura fattura""".split()
)
UNDONE = frozenset(
    """return returned returns rtn refund refunded cancel cancelled canceled cancellation void voided storno retoure retour
    remboursement devolucion reso annule anulado anulada annullato storniert cancelado exchanged duplicata duplicate
    vozvrat otmena training schulung correction test""".split()
)
# Of whatever is called so: the others are what products are called, too.
CERTAIN = UNDONE - {"correction", "duplicate", "exchanged", "test", "training"}
OTHERS = UNDONE | frozenset(
    """view viewed cart addtocart add remove removed click impression wishlist search detail rueckgabe ruckgabe voucher gutschein
    coupon deposit pfand giftcard gift tip fee shipping discount rabatt pending failed payment zahlung exchange writeoff waste
    annulation suspended suspend parked draft aborted orphaned memo note gutschrift avoir abono chargeback reversal reversed rejected declined""".split()
)
# In the name of a file that has what others have, too.
AGAIN = frozenset(
    "corrected corrections korrigiert korrektur revised copy kopie copie backup bak old alt reload resend".split()
)
# In the name of a column of yes and no: a yes is no purchase.
FLAGS = UNDONE | {"deleted", "annulled", "uebung", "ecole", "escuela", "component", "komponente", "reward"}
FLAGS |= {"fksto", "stokz", "loevm", "lvorm"}  # SAP's
QUANTITIES = frozenset("qty quantity units amount value total menge anzahl betrag quantite montant".split())
# As people write them, and spreadsheets and databases in their languages; -1 is true in Access.
YES = frozenset(
    """1 -1 y yes true t x j ja s o v oui si sí sim tak wahr vrai verdadero vero verdadeiro waar prawda sand sant да истина""".split()
)
NO = frozenset("0 n no false f nein non nee não nao nie falsch faux falso onwaar fałsz falsk нет ложь".split())
OF_A_LINE = frozenset(
    "line transaction trans txn sale sales retail event order record rec row item document doc beleg bon satz receipt".split()
)
TYPE_NAMES = frozenset(
    """type status kind flag event action typ art state vorgang tipo statut estado belegart rectype satzart linetype sign vorzeichen
    shkzg debit credit soll haben direction richtung operaciya operacii""".split()
)
MODES = frozenset("mode modus betriebsart".split())  # of a till, of delivery, of payment
# Whatever the column is called: of SAP, and the sign or the factor of a line.
SIGNS = ({"S", "H"}, {"1", "-1"}, {"1.0", "-1.0"}, {"+", "-"}, {"+1", "-1"})
# What a log of changes says of each, as databases' connectors write it: of made, read, changed and removed rows.
CHANGE_NAMES = frozenset("op operation change cdc dml type action event rowkind recordtype".split())
MADE = frozenset("c r i +i create read insert inserted".split())
CHANGED = frozenset(
    "u -u +u d -d update updated upsert delete deleted update_preimage update_postimage update_before update_after".split()
)


@dataclass(frozen=True)
class Purchases:
    """Which lines are purchases, as the settings `where` and `unless` say it; the `columns` that tell it, and notes."""

    where: dict[str, list[str]] = field(default_factory=dict)
    unless: dict[str, list[str]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add_flag(self, name: str, counts: Mapping[str, int]) -> None:
        """A column of yes and no: a yes is no purchase."""
        self.columns.append(name)
        if others := sorted(value for value in counts if value.lower() in YES):
            self.unless[name] = others
            remedy = "take `unless` out of [transactions] if they are purchases."
            self._leave_out(name, counts, f"with {listed(others)}", others, remedy)

    def add_changes(self, name: str, counts: Mapping[str, int]) -> None:
        """A column of a log of changes."""
        self.columns.append(name)
        says = f"{name} says what became of a row ({shown(counts)}): each change is taken for a purchase of its own."
        remedy = "have the rows delivered as they are now: the last change of each, and none that was deleted."
        self.notes.append(Note("left out", says, remedy))

    def add_kinds(self, name: str, counts: Mapping[str, int], *, is_always_given: bool) -> None:
        """A column of kinds of lines; nothing where neither its values nor its name say so."""
        words = set(split_name(name))
        of_values = {value: {*split_name(value), *split_name(value.lower().replace("_", ""))} for value in counts}
        others = [value for value in counts if of_values[value] & OTHERS]
        sales = sorted(value for value in counts if of_values[value] & PURCHASES and value not in others)
        is_named = not words.isdisjoint(TYPE_NAMES | MODES)
        # Codes (S and R) are no words: only a name that speaks of the line makes them worth the question.
        speaks_of_lines = not words.isdisjoint(TYPE_NAMES) and words <= TYPE_NAMES | OF_A_LINE | KEYS
        speaks_of_lines &= len(counts) > 1 or not is_always_given
        speaks_of_lines |= {value.upper() for value in counts} in SIGNS
        is_kind = (others and sales) or (is_named and (others or sales)) or speaks_of_lines
        if not is_kind and not any(words & CERTAIN for words in of_values.values()):
            return
        if is_kind:
            self.columns.append(name)
        if not sales or len(sales) + len(others) < len(counts):
            says = f"{name} says what a line is ({shown(counts)}): all are taken for purchases. Are they?"
            setting, those = ("where", "that are") if is_always_given else ("unless", "that are none")
            remedy = f'if not, name those {those} under [transactions]: {setting} = {{ {as_key(name)} = ["…"] }}.'
            self.notes.append(Note("left out", says, remedy))
            return
        if is_always_given:
            self.where[name] = sales
        elif others:  # a line may say nothing, as further ones of an order: it is no other kind
            self.unless[name] = sorted(others)
        if others:
            setting = "where" if is_always_given else "unless"
            remedy = f"correct `{setting}` in [transactions] if others of {name} are purchases."
            self._leave_out(name, counts, f"that are not {listed(sales)}", others, remedy)

    def _leave_out(
        self, name: str, counts: Mapping[str, int], which: str, others: Collection[str], remedy: str
    ) -> None:
        n = sum(counts[value] for value in others)
        says = f"{name} says what a line is ({shown(counts)}): {n:,} lines {which} are left out."
        self.notes.append(Note("left out", says, remedy))


def purchases(lines: ibis.Table, free: Mapping[str, ColumnProfile]) -> Purchases:
    """Which of the `lines` are purchases, by those of the columns `free` that say what a line is."""
    told = Purchases()
    for name, column in free.items():
        words = set(split_name(name))
        may_be_flag = column.different <= 2 and not words.isdisjoint(FLAGS) and words.isdisjoint(QUANTITIES)
        may_be_kind = lines[name].type().is_string() or column.different <= 2 or not words.isdisjoint(TYPE_NAMES)
        if column.different > MOST_KINDS or not (may_be_flag or may_be_kind):
            continue
        counts, is_always_given = said_in(lines[name].cast("string"))
        values = {value.lower() for value in counts}
        if may_be_flag and values <= YES | NO:
            told.add_flag(name, counts)
        elif values & CHANGED and values <= MADE | CHANGED and not words.isdisjoint(CHANGE_NAMES):
            told.add_changes(name, counts)
        else:
            told.add_kinds(name, counts, is_always_given=is_always_given)
    return told


def files_of_others(paths: Sequence[str]) -> list[Note]:
    """A note on files that are called otherwise than the others: by a word for what is no purchase, or was sold before."""
    words = {path: set(split_name(path)) & (FLAGS | OTHERS | AGAIN) for path in paths}
    by_word = {word: [path for path in paths if word in words[path]] for word in sorted(set().union(*words.values()))}
    return [
        Note(
            "left out",
            f"{plural(len(named), 'file')} of {len(paths):,} {'have' if len(named) > 1 else 'has'} {word!r} in the name, such as "
            f"{'/'.join(PurePath(named[0]).parts[-2:])}: the lines are taken for purchases beside the others'. Are they?",
            "if not, name the others by a glob.",
        )
        for word, named in by_word.items()
        if len(named) < len(paths)
    ]


def as_key(name: str) -> str:
    """A name as TOML writes it before the sign of equality."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
