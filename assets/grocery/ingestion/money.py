"""Currencies as files write them: codes of ISO 4217, signs and abbreviations, and what each may stand for."""

from __future__ import annotations

import re

_ISO_4217 = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS
INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK
SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD
XOF XPF YER ZAR ZMW ZWG
"""
CODES = frozenset(_ISO_4217.split())
# The likeliest first. ¢ and other parts of a currency are not here: 50¢ is no 50.
SIGNS = {
    "$": "USD CAD AUD NZD MXN ARS CLP COP HKD SGD TWD",
    **{"US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD"},
    **{"NT$": "TWD", "MX$": "MXN", "R$": "BRL", "DOLLAR": "USD", "DOLLARS": "USD"},
    **{
        "€": "EUR",
        "EURO": "EUR",
        "EUROS": "EUR",
        "£": "GBP EGP",
        "¥": "JPY CNY",
        "円": "JPY",
        "元": "CNY",
        "RMB": "CNY",
    },
    **{"KR": "SEK NOK DKK ISK", "FR": "CHF", "SFR": "CHF", "KČ": "CZK", "ZŁ": "PLN", "FT": "HUF", "LEI": "RON MDL"},
    **{"LEU": "RON MDL", "ЛВ": "BGN", "ДИН": "RSD", "DIN": "RSD", "KM": "BAM", "₺": "TRY", "TL": "TRY", "₽": "RUB"},
    **{"РУБ": "RUB", "Р": "RUB", "₴": "UAH", "ГРН": "UAH", "₹": "INR", "RS": "INR PKR LKR", "₪": "ILS", "₩": "KRW"},
    **{"원": "KRW", "₫": "VND", "Đ": "VND", "฿": "THB", "RP": "IDR", "RM": "MYR", "₱": "PHP", "₦": "NGN", "R": "ZAR"},
    **{"S/": "PEN", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₼": "AZN", "₾": "GEL", "৳": "BDT", "KSH": "KES", "DH": "MAD"},
}
KNOWN = CODES | SIGNS.keys()


def currencies(sign: str) -> tuple[str, ...]:
    """The currencies that a code, a sign or an abbreviation may stand for, the likeliest first; none for any other text."""
    sign = sign.strip().rstrip(".").upper()
    return (sign,) if sign in CODES else tuple(SIGNS.get(sign, "").split())


def in_name(column: str) -> str | None:
    """The currency that a column's name has as its last word: `paid (GBP)`, `total_eur`, `Betrag €`."""
    (*_, last) = re.split(r"[\s_()\[\]./-]+", column.rstrip(")] "))
    known = currencies(last)
    # In small letters `all` and `top` are words, too.
    is_code = last.isupper() or last.upper() in ("EUR", "USD", "GBP", "CHF") or not last.isalpha()
    return known[0] if len(known) == 1 and is_code else None


def ways_to_write(currency: str) -> frozenset[str]:
    """How an amount of a currency may be marked, in capitals: its code, its signs and abbreviations."""
    code = currency.strip().upper()
    return frozenset({code, *(sign for sign, codes in SIGNS.items() if code in codes.split())})
