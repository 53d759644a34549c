"""What retailers call their columns: the words by which `nightcart init` recognises them, in several languages.

A name is taken apart into words (`CustomerID`, `cust_id`, `custid` → customer or cust, id). A column plays a role when
one of the role's nouns is in its name and nothing strange beside it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _in_order(words: str) -> tuple[str, ...]:
    return tuple(words.split())


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
    """How a column with a certain meaning is called.

    `nouns` stand best first; `beside` may stand beside a noun without changing what it means; a name with a word of
    `never` is something else; the nouns of `keyed` count only together with one of :data:`KEYS`.
    """

    nouns: tuple[str, ...]
    beside: frozenset[str] = KEYS
    never: frozenset[str] = frozenset()
    keyed: frozenset[str] = frozenset()
    is_key: bool = True  # whether an identifier (`category_id`) is better than a name (`category`)


HOUSEHOLD = Role(
    nouns=_in_order(
        "household hshd hh customer cust client member shopper kunden kunde cliente klant membre consumer buyer "
        "panelist user loyalty kundenkarte card karte carte tarjeta account person visitor"
    ),
    beside=KEYS | _set("loyalty club hash anonymous"),
    never=_set(
        "name type segment age gender sex country city zip pin postal email phone address group since stage lifestage "
        "sensitivity date time count status price income size region state new spend"
    ),
)
PRODUCT = Role(
    nouns=_in_order(_PRODUCT_NOUNS),
    beside=KEYS | _set("retail internal master"),
    never=_MONEY
    | _set(
        "name description desc category class subclass group department dept brand size type quantity qty count units "
        "weight level family commodity manufacturer line date time status value total amount sales customer store"
    ),
    keyed=_set("stock material goods"),
)
TIME = Role(
    nouns=_in_order(
        "timestamp datetime datum date fecha data zeitpunkt time zeit dt ts day tag jour giorno dia at when occurred"
    ),
    beside=_OF_A_SALE | _set("of and stamp time date store"),
    never=_set(
        "birth birthday expiry expiration register registered registration since updated update modified load loaded "
        "etl delivery delivered ship shipped shipping due week month year quarter weekday dow first last prior start "
        "end launch join joined signup enrol return returned week type id"
    ),
    is_key=False,
)
TIME_OF_DAY = Role(
    nouns=_in_order("time uhrzeit zeit hour hora heure ora tijd uur hr tm"),
    beside=_OF_A_SALE | _set("of day the stamp store"),
    never=TIME.never,
    is_key=False,
)
BASKET = Role(
    nouns=_in_order(
        "basket receipt invoice ticket order bon kassenbon beleg bill transaction transactions trans txn tran warenkorb "
        "panier cesta scontrino factura facture fattura rechnungs rechnung pedido commande bestellung bestell visit "
        "trip cheque session purchase sale sales document doc check"
    ),
    beside=KEYS | _set("pos sale sales purchase shopping header retail"),
    never=_set("date time day type status value amount total price qty quantity line size hour week seq sequence"),
    keyed=_set("sale sales purchase document doc check session trans"),
)
QUANTITY = Role(
    nouns=_in_order(
        "quantity qty quant units unit menge anzahl stueck stuck pieces pcs items cantidad unidades quantite quantita "
        "quantidade aantal count volume amount"
    ),
    beside=_OF_A_SALE | _set(f"{_PRODUCT_NOUNS} of total net line number num no"),
    never=_MONEY | _set("value stock weight id key code spend revenue"),
    is_key=False,
)
LINE_TOTAL = Role(
    nouns=_in_order(
        "spend revenue turnover paid umsatz sales sale value total amount amt betrag importe montant importo bedrag "
        "omzet summe gesamtpreis gesamt valor ventas extended ext net gross"
    ),
    beside=_OF_A_SALE | _set(f"{_PRODUCT_NOUNS} of line in price usd eur gbp dollar dollars euro euros customer with"),
    never=_set(
        "unit units discount disc rabatt tax vat mwst cost profit margin quantity qty list tip shipping coupon points "
        "volume rep person channel code number key tier id date time count"
    ),
    is_key=False,
)
PRICE = Role(
    nouns=_in_order("price preis einzelpreis prix precio prezzo preco prijs"),
    beside=_OF_A_SALE
    | _set(f"{_PRODUCT_NOUNS} of line unit per each sell selling retail shelf paid actual in usd eur gbp"),
    never=_set("cost list old original regular discount sensitivity category level range"),
    is_key=False,
)
STORE = Role(
    nouns=_in_order(
        "store shop filiale filial branch outlet markt market tienda magasin negozio loja winkel location site"
    ),
)
NAME = Role(
    nouns=_in_order(
        "name description desc title bezeichnung label nombre nom nome naam descripcion designation libelle descrizione "
        "descricao omschrijving"
    ),
    beside=_set(f"{_PRODUCT_NOUNS} long full short display text"),
    never=_set(
        "customer cust household store shop brand category class subclass department dept city country commodity"
    ),
    is_key=False,
)
CATEGORY = Role(
    nouns=_in_order(
        "category kategorie categoria categorie commodity subcategory class subclass warengruppe family group gruppe "
        "famille familia aisle type"
    ),
    beside=KEYS | _set(f"{_PRODUCT_NOUNS} desc description name level main"),
    never=_set("customer cust household age store shop basket card payment income order transaction"),
    is_key=False,
)
DEPARTMENT = Role(
    nouns=_in_order("department dept section division sector abteilung departamento rayon reparto afdeling"),
    beside=KEYS | _set(f"{_PRODUCT_NOUNS} desc description name"),
    is_key=False,
)
BRAND = Role(nouns=_in_order("brand marke marca marque merk"), beside=_set(f"{_PRODUCT_NOUNS} name"), is_key=False)
SIZE = Role(nouns=("size", "pack"), beside=_set(f"{_PRODUCT_NOUNS} of pack package unit"), is_key=False)
KIND = Role(nouns=("type", "kind"), beside=_set(_PRODUCT_NOUNS), is_key=False)  # a name for want of a better one

_ROLES = (
    HOUSEHOLD, PRODUCT, TIME, TIME_OF_DAY, BASKET, QUANTITY, LINE_TOTAL, PRICE, STORE, NAME, CATEGORY, DEPARTMENT,
    BRAND, SIZE, KIND,
)  # fmt: skip
_KNOWN = KEYS.union(*(_set(" ".join(role.nouns)) | role.beside | role.never for role in _ROLES))


@functools.cache
def words(name: str) -> tuple[str, ...]:
    """The words of a column's name: lower case, without accents, `custid` and `CustId` alike."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", plain)
    return tuple(word for part in parts for word in _split(part.lower()))


def _split(part: str) -> tuple[str, ...]:
    """`custid` → cust, id, when all of it is made of known words; else the part as it is."""
    if part in _KNOWN:
        return (part,)
    for end in range(len(part) - 1, 1, -1):
        if part[:end] in _KNOWN:
            rest = _split(part[end:])
            if all(word in _KNOWN for word in rest):
                return (part[:end], *rest)
    return (part,)


def place(name: str, role: Role) -> tuple[int, int, bool] | None:
    """How well `name` fits `role`, the lower the better: strange words, the noun's place, the wrong kind of key."""
    own = words(name)
    has_key = not KEYS.isdisjoint(own)
    if not role.never.isdisjoint(own):
        return None
    nouns = [noun for noun in own if noun in role.nouns and (has_key or noun not in role.keyed)]
    if not nouns:
        return None
    strange = [word for word in own if word not in nouns and word not in role.beside and word not in role.nouns]
    return len(strange), min(role.nouns.index(noun) for noun in nouns), has_key != role.is_key


def called(role: Role, names: Iterable[str], *, most_strays: int = 0) -> list[str]:
    """Those of `names` that sound like `role`, the best first."""
    places = {name: found for name in names if (found := place(name, role)) and found[0] <= most_strays}
    return sorted(places, key=places.__getitem__)
