"""The model card: what a version is, what it learnt from, how good it is and for whom, and who decided on it and why.

After Mitchell et al. (2019), Model Cards for Model Reporting. Written from what is on record of a version, and from
nothing else: nobody can forget to bring it along. As Markdown for the UI, and as a page that can be printed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.grocery.tables import EXAMPLES
from assets.grocery.training.metrics import METRICS
from resources.models.registry import BUSINESS_DATE, DIGEST, TABLE
from resources.records.lifecycle import PolicyDecision, PromotionRecord

if TYPE_CHECKING:
    from assets.lifecycle.model import Recommender
    from resources.config.retailer import RecommenderConfig
    from resources.models.registry import ModelRegistry, ModelVersion
    from resources.records.store import OperationsDatabase

FACTS, CARD, PAGE = "model_card.json", "model_card.md", "model_card.html"
TEMPLATE = Path(__file__).with_name("model_card.md.j2")
LOOKS_AT = 8  # features that are named
# What a card must be able to say before the policy lets its version be champion: by the key in `facts`.
NEEDED = ("title", "family", "digest", "code", "made_on", "quality", "comparisons", "features", "limits")
NEEDED_OF_LEARNT = ("label_weeks", "holdout", "examples", "tables")

LIMITS = (
    "It knows what was bought here, with a loyalty card, and nothing else: what a household buys elsewhere or would rather "
    "have is unknown to it, and so is anybody in it.",
    "It says what a household is likely to buy, not what a recommendation changes: a hit may have been bought anyway.",
    "A product without sales in the weeks before, and a household without any, get no score: they have the list of best "
    "sellers.",
    "It was judged on few weeks of one season; watches compare every night with them (`nightcart drift`).",
)


def facts(
    version: ModelVersion,
    recommender: Recommender,
    *,
    name: str,
    model: RecommenderConfig,
    measured: Mapping[str, Any],
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """What the card says, by name; what is not known is None or empty.

    `measured` is that part of the policy's question (:func:`assets.lifecycle.promotion.question`), `numbers` the judges'
    (:meth:`assets.lifecycle.evaluation.Judgement.numbers`).
    """
    from assets.grocery.features import definitions

    parameters, tags = version.parameters, version.tags
    quality = {
        who: {metric: "{:.4f} ({:.4f} … {:.4f})".format(*values) for metric, values in found.items()}
        for who, found in numbers.get("quality", {}).items()
    }
    champion = measured.get("champion")
    slices = measured.get("slices", [])
    worse = [f"{each['slice']} {each['value']}" for each in slices if each["high"] is not None and each["high"] < 0]
    looks_at = sorted(recommender.importance().items(), key=lambda item: -item[1])[:LOOKS_AT]
    return {
        "name": name,
        "version": version.version,
        "title": recommender.title,
        "family": recommender.family(),
        "parameters": dict(recommender.parameters),
        "digest": tags.get(DIGEST),
        "code": tags.get("nightcart.code"),
        "made_on": tags.get(BUSINESS_DATE),
        "mlflow_run_id": version.run_id,
        "places": f"{model.ranked_places} places go by score, {model.explore_places} are kept for what it never bought",
        "label_weeks": parameters.get("label_weeks_from_closes", "").split(),
        "holdout": parameters.get("holdout_from_closes", "").split(),
        "examples": f"{int(parameters['examples']):,}" if "examples" in parameters else None,
        "households": measured.get("households"),
        "tables": {tag.removeprefix(TABLE): of for tag, of in sorted(tags.items()) if tag.startswith(TABLE)},
        "features": list(recommender.features),
        "feature_definition": definitions.VERSION,
        "looks_at": dict(looks_at),
        "k": model.ranked_places,
        "metric": measured.get("metric"),
        "confidence": f"{measured['confidence']:.0%}" if "confidence" in measured else None,
        "metrics": list(METRICS),
        "quality": quality,
        "comparisons": [*measured.get("baselines", []), *([champion] if champion else [])],
        "calibration_error": measured.get("calibration_error"),
        "opponent": champion["name"] if champion else "the best baseline",
        "slices": slices,
        "limits": [*LIMITS, *([f"It is worse, by more than chance, in {', '.join(worse)}."] if worse else [])],
    }


def missing(found: Mapping[str, Any]) -> list[str]:
    """What a card needs and has not: empty when it is complete. A rule that learns nothing needs no window of data."""
    needed = NEEDED + (NEEDED_OF_LEARNT if EXAMPLES in found["tables"] or found["label_weeks"] else ())
    return [name for name in needed if not found[name]]


def rendered(found: Mapping[str, Any], *, decisions: Sequence[PromotionRecord], policy: PolicyDecision | None) -> str:
    """The card as Markdown, with what was decided on the version so far, in order, and what the policy said last."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    version = found["version"]
    told = [
        {"title": _title(record, version), "how": _how(record), "reasons": list(record.reasons)} for record in decisions
    ]
    return template.render(**found, decisions=told, policy=policy, standing=_standing(decisions, version))


def subject(version: int) -> str:
    """What a decision of the policy on a version is on record under."""
    return f"version {version}"


def attach(registry: ModelRegistry, version: ModelVersion, found: Mapping[str, Any]) -> None:
    """Put what the card of a version says beside it in the registry; :func:`bring_up_to_date` words it."""
    registry.attach(version, {FACTS: json.dumps(found, indent=2, ensure_ascii=False)})


def current(registry: ModelRegistry, operations: OperationsDatabase, version: ModelVersion) -> str | None:
    """The card of a version as of now, in Markdown; None of a version that nobody has weighed."""
    facts = registry.document(version, FACTS)
    if facts is None:
        return None
    number = version.version
    decided = [
        record
        for record in operations.promotions()
        if record.challenger == number or (record.champion_before != record.champion_after and number in _ends(record))
    ]
    asked = operations.records(PolicyDecision, subject=subject(number), last=1)
    return rendered(json.loads(facts), decisions=decided, policy=asked[0] if asked else None)


def bring_up_to_date(registry: ModelRegistry, operations: OperationsDatabase, decided: PromotionRecord) -> None:
    """Word the cards of the versions that a decision was about anew, beside them in the registry."""
    known = {version.version: version for version in registry.versions()}
    for number in sorted({decided.challenger, *_ends(decided)} & set(known)):
        text = current(registry, operations, known[number])
        if text is not None:
            registry.attach(known[number], {CARD: text, PAGE: page(text, title=f"Model card: version {number}")})


def _ends(record: PromotionRecord) -> set[int]:
    return {version for version in (record.champion_before, record.champion_after) if version is not None}


def page(markdown: str, *, title: str) -> str:
    """The card as a page of its own, without anything from elsewhere, that prints."""
    import html

    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )


STYLE = (
    "body{font:15px/1.5 Georgia,serif;max-width:52em;margin:2em auto;padding:0 1em;color:#1a1a1a}"
    "h1,h2,h3{font-family:Helvetica,Arial,sans-serif;line-height:1.2}h2{border-bottom:1px solid #ccc;margin-top:1.6em}"
    "table{border-collapse:collapse;font-size:13px;margin:.8em 0}td,th{border-bottom:1px solid #ddd;padding:.25em .7em;"
    "text-align:left;vertical-align:top}thead th:empty{padding:0;border:0}code{font-size:12px;overflow-wrap:anywhere}"
    "@media print{body{max-width:none;margin:0;font-size:11pt}h2{break-after:avoid}tr{break-inside:avoid}}"
)


def _title(record: PromotionRecord, version: int) -> str:
    if record.champion_after == version:
        what = "Stays champion" if record.champion_before == version else "Became champion"
    else:
        what = "Did not become champion" if record.challenger == version else "Was replaced"
    return f"{what}: {record.business_date}"


def _how(record: PromotionRecord) -> str:
    at = f"{record.decided_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    who = f"{record.kind} by {record.by}" if record.by else f"the night's own decision, run `{record.run_id[:8]}`"
    return f"{who[0].upper()}{who[1:]}, {at}."


def _standing(decisions: Sequence[PromotionRecord], version: int) -> str:
    if not decisions:
        return "Nothing has been decided on it."
    last = decisions[-1]
    if last.champion_after == version:
        return f"It is champion, by the decision of {last.business_date}."
    return "It is not champion."
