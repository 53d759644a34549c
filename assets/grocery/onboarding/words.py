"""The words by which columns are recognised, in several languages, and how well a column's name matches a role.

A name is split into words (`CustomerID`, `cust_id`, `custid` → customer or cust, id). It matches a role when it has one of
the role's nouns, none of its excluded words, and few words that are neither.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that make a noun the identifier of what it names.
KEYS = _set(
    "id ids key code number num no nr nbr nummer numero num identifier uuid guid unique cod codigo codice kod pk sk"
)
_PRODUCT_NOUNS = (
    "product prod sku item article artikel stock upc ean gtin barcode plu produkt producto produit prodotto produto "
    "articulo articolo artigo material asin goods"
)
_OF_A_SALE = _set(
    "transaction transactions trans txn tran invoice order ordered purchase purchased sale sales sold basket shop "
    "shopping bought visit trip receipt ticket bill bon beleg rechnungs rechnung kauf verkaufs verkauf bestell kassen "
    "event posting booking business pos calendar full local utc created compra venta achat commande pedido factura "
    "facture vente acquisto vendita aankoop"
)
_MONEY = _set("price preis cost kosten discount disc rabatt tax vat mwst profit margin coupon points")


@dataclass(frozen=True, kw_only=True)
class Role:
    """The names of columns with a certain meaning.

    `nouns` are in order of preference; `modifiers` may accompany a noun without changing its meaning; a name with one of
    the words `excluded` means something else; the nouns `keyed` count only together with one of :data:`KEYS`.
    """

    nouns: str
    modifiers: frozenset[str] = KEYS
    excluded: frozenset[str] = frozenset()
    keyed: frozenset[str] = frozenset()
    is_key: bool = True  # whether an identifier (`category_id`) is better than a name (`category`)


HOUSEHOLD = Role(
    nouns=(
        "household hshd hh customer cust client member shopper kunden kunde cliente klant membre consumer buyer "
        "panelist user loyalty kundenkarte card karte carte tarjeta account person visitor"
    ),
    modifiers=KEYS | _set("loyalty club hash anonymous"),
    excluded=_set(
        "name type segment age gender sex country city zip pin postal email phone address group since stage lifestage "
        "sensitivity date time count status price income size region state new spend"
    ),
)
PRODUCT = Role(
    nouns=_PRODUCT_NOUNS,
    modifiers=KEYS | _set("retail internal master"),
    excluded=_MONEY
    | _set(
        "name description desc category class subclass group department dept brand size type quantity qty count units "
        "weight level family commodity manufacturer line date time status value total amount sales customer store"
    ),
    keyed=_set("stock material goods"),
)
TIME = Role(
    nouns=(
        "timestamp datetime datum date fecha data zeitpunkt time zeit dt ts day tag jour giorno dia at when occurred"
    ),
    modifiers=_OF_A_SALE | _set("of and stamp time date store"),
    excluded=_set(
        "birth birthday expiry expiration register registered registration since updated update modified load loaded "
        "etl delivery delivered ship shipped shipping due week month year quarter weekday dow first last prior start "
        "end launch join joined signup enrol return returned week type id"
    ),
    is_key=False,
)
TIME_OF_DAY = Role(
    nouns="time uhrzeit zeit hour hora heure ora tijd uur hr tm",
    modifiers=_OF_A_SALE | _set("of day the stamp store"),
    excluded=TIME.excluded,
    is_key=False,
)
BASKET = Role(
    nouns=(
        "basket receipt invoice ticket order bon kassenbon beleg bill transaction transactions trans txn tran warenkorb "
        "panier cesta scontrino factura facture fattura rechnungs rechnung pedido commande bestellung bestell visit "
        "trip cheque session purchase sale sales document doc check"
    ),
    modifiers=KEYS | _set("pos sale sales purchase shopping header retail"),
    excluded=_set("date time day type status value amount total price qty quantity line size hour week seq sequence"),
    keyed=_set("sale sales purchase document doc check session trans"),
)
QUANTITY = Role(
    nouns=(
        "quantity qty quant units unit menge anzahl stueck stuck pieces pcs items cantidad unidades quantite quantita "
        "quantidade aantal count volume amount"
    ),
    modifiers=_OF_A_SALE | _set(f"{_PRODUCT_NOUNS} of total net line number num no"),
    excluded=_MONEY | _set("value stock weight id key code spend revenue"),
    is_key=False,
)
LINE_TOTAL = Role(
    nouns=(
        "spend revenue turnover paid umsatz sales sale value total amount amt betrag importe montant importo bedrag "
        "omzet summe gesamtpreis gesamt valor ventas extended ext net gross"
    ),
    modifiers=_OF_A_SALE
    | _set(f"{_PRODUCT_NOUNS} of line in price usd eur gbp dollar dollars euro euros customer with"),
    excluded=_set(
        "unit units discount disc rabatt tax vat mwst cost profit margin quantity qty list tip shipping coupon points "
        "volume rep person channel code number key tier id date time count"
    ),
    is_key=False,
)
PRICE = Role(
    nouns="price preis einzelpreis prix precio prezzo preco prijs",
    modifiers=_OF_A_SALE
    | _set(f"{_PRODUCT_NOUNS} of line unit per each sell selling retail shelf paid actual in usd eur gbp"),
    excluded=_set("cost list old original regular discount sensitivity category level range"),
    is_key=False,
)
STORE = Role(
    nouns=("store shop filiale filial branch outlet markt market tienda magasin negozio loja winkel location site"),
)
NAME = Role(
    nouns=(
        "name description desc title bezeichnung label nombre nom nome naam descripcion designation libelle descrizione "
        "descricao omschrijving"
    ),
    modifiers=_set(f"{_PRODUCT_NOUNS} long full short display text"),
    excluded=_set(
        "customer cust household store shop brand category class subclass department dept city country commodity"
    ),
    is_key=False,
)
CATEGORY = Role(
    nouns=(
        "category kategorie categoria categorie commodity subcategory class subclass warengruppe family group gruppe "
        "famille familia aisle type"
    ),
    modifiers=KEYS | _set(f"{_PRODUCT_NOUNS} desc description name level main"),
    excluded=_set("customer cust household age store shop basket card payment income order transaction"),
    is_key=False,
)
DEPARTMENT = Role(
    nouns="department dept section division sector abteilung departamento rayon reparto afdeling",
    modifiers=KEYS | _set(f"{_PRODUCT_NOUNS} desc description name"),
    is_key=False,
)
BRAND = Role(nouns="brand marke marca marque merk", modifiers=_set(f"{_PRODUCT_NOUNS} name"), is_key=False)
SIZE = Role(nouns="size pack", modifiers=_set(f"{_PRODUCT_NOUNS} of pack package unit"), is_key=False)
KIND = Role(nouns="type kind", modifiers=_set(_PRODUCT_NOUNS), is_key=False)  # a name for want of a better one

_ROLES = (
    HOUSEHOLD, PRODUCT, TIME, TIME_OF_DAY, BASKET, QUANTITY, LINE_TOTAL, PRICE, STORE, NAME, CATEGORY, DEPARTMENT,
    BRAND, SIZE, KIND,
)  # fmt: skip
_KNOWN = KEYS.union(*(_set(role.nouns) | role.modifiers | role.excluded for role in _ROLES))


@functools.cache
def split_name(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case, without accents; `custid` and `CustId` alike."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", plain)
    return tuple(word for part in parts for word in _known_words(part.lower()))


def _known_words(part: str) -> tuple[str, ...]:
    """`custid` → cust, id when all of it is made of known words; else the part as it is."""
    for end in range(len(part) - 1, 1, -1) if part not in _KNOWN else ():
        if part[:end] in _KNOWN and _KNOWN.issuperset(rest := _known_words(part[end:])):
            return (part[:end], *rest)
    return (part,)


def match_rank(name: str, role: Role) -> tuple[int, int, bool] | None:
    """How well `name` matches `role`, lower is better: unknown words, the noun's position, the wrong kind of key.

    None when it does not match.
    """
    own = split_name(name)
    has_key = not KEYS.isdisjoint(own)
    order = role.nouns.split()
    nouns = [noun for noun in own if noun in order and (has_key or noun not in role.keyed)]
    if not nouns or not role.excluded.isdisjoint(own):
        return None
    unknown = [word for word in own if word not in order and word not in role.modifiers]
    return len(unknown), min(order.index(noun) for noun in nouns), has_key != role.is_key


def matching_columns(role: Role, names: Iterable[str], *, max_unknown_words: int = 0) -> list[str]:
    """The `names` that match `role`, best first."""
    ranks = {name: rank for name in names if (rank := match_rank(name, role)) and rank[0] <= max_unknown_words}
    return sorted(ranks, key=ranks.__getitem__)
