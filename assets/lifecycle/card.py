"""The model card: what a version is, what it learnt from, how good it is and for whom, and who decided on it and why.

After Mitchell et al. (2019), Model Cards for Model Reporting. Written from what is on record of a version, and from
nothing else: nobody can forget to bring it along. As Markdown for the UI, and as a page that can be printed. Sentences
about what is scored are the domain's (:meth:`assets.lifecycle.domain.Domain.card_text`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.lifecycle.promotion import HOLDOUT, TRAINED_ON
from assets.lifecycle.versions import CODE
from resources import markdown
from resources.models.registry import BUSINESS_DATE, DIGEST, TABLE
from resources.records.lifecycle import PolicyDecision, PromotionRecord

if TYPE_CHECKING:
    from assets.lifecycle.domain import Domain, Lifecycle
    from assets.lifecycle.model import Model
    from resources.models.registry import ModelRegistry, ModelVersion

FACTS, CARD, PAGE = "model_card.json", "model_card.md", "model_card.html"
TEMPLATE = Path(__file__).with_name("model_card.md.j2")
LOOKS_AT = 8  # features that are named
# What a card must be able to say before the policy lets its version be champion: by the key in `facts`.
NEEDED = ("title", "family", "digest", "code", "made_on", "quality", "comparisons", "features", "limits")
NEEDED_OF_LEARNT = ("label_weeks", "holdout", "examples", "tables")


def facts(
    version: ModelVersion, model: Model, work: Lifecycle, *, measured: Mapping[str, Any], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the card says, by name; what is not known is None or empty.

    `measured` is that part of the policy's question (:func:`assets.lifecycle.promotion.question`), `numbers` the
    measurement's (:meth:`assets.lifecycle.evaluation.Judgement.numbers`).
    """
    domain, parameters, tags = work.domain, version.parameters, version.tags
    quality = {
        who: {metric: "{:.4f} ({:.4f} … {:.4f})".format(*values) for metric, values in metrics.items()}
        for who, metrics in numbers.get("quality", {}).items()
    }
    champion = measured.get("champion")
    slices = measured.get("slices", [])
    worse = [f"{each['slice']} {each['value']}" for each in slices if each["high"] is not None and each["high"] < 0]
    looks_at = sorted(model.importance().items(), key=lambda item: -item[1])[:LOOKS_AT]
    lost = [f"It is worse, by more than chance, in {', '.join(worse)}."] if worse else []
    return {
        "name": work.settings.name,
        "version": version.version,
        "title": model.title,
        "family": model.family(),
        "parameters": dict(model.parameters),
        "digest": tags.get(DIGEST),
        "code": tags.get(CODE),
        "made_on": tags.get(BUSINESS_DATE),
        "mlflow_run_id": version.run_id,
        "label_weeks": parameters.get(TRAINED_ON, "").split(),
        "holdout": parameters.get(HOLDOUT, "").split(),
        "examples": f"{int(parameters['examples']):,}" if "examples" in parameters else None,
        domain.subjects: measured.get(domain.subjects),
        "tables": {tag.removeprefix(TABLE): of for tag, of in sorted(tags.items()) if tag.startswith(TABLE)},
        "features": list(model.features),
        "feature_definition": model.feature_version,
        "looks_at": dict(looks_at),
        "metric": measured.get("metric"),
        "confidence": f"{measured['confidence']:.0%}" if "confidence" in measured else None,
        "metrics": list(domain.metrics),
        "quality": quality,
        "comparisons": [*measured.get("baselines", []), *([champion] if champion else [])],
        "calibration_error": measured.get("calibration_error"),
        "opponent": champion["name"] if champion else "the best baseline",
        "slices": slices,
        "limits": [*domain.limits, *lost],
        **domain.card_facts(work.settings),
    }


def missing(known: Mapping[str, Any], domain: Domain) -> list[str]:
    """What a card needs and has not: empty when it is complete. A rule that learns nothing needs no window of data."""
    is_learnt = domain.examples_table in known["tables"] or known["label_weeks"]
    return [name for name in (*NEEDED, *(NEEDED_OF_LEARNT if is_learnt else ())) if not known[name]]


def rendered(
    known: Mapping[str, Any],
    domain: Domain,
    *,
    decisions: Sequence[PromotionRecord],
    policy: PolicyDecision | None,
) -> str:
    """The card as Markdown, with what was decided on the version so far, in order, and what the policy answered last."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 (it makes Markdown, and every value is escaped for that)
        finalize=markdown.text,
    )
    environment.filters["code"] = markdown.code
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    version = known["version"]
    decided = [
        {"title": _title(record, version), "how": _how(record), "reasons": list(record.reasons)} for record in decisions
    ]
    return template.render(
        **known,
        text=domain.card_text(known),
        subjects=domain.subjects,
        judged=known[domain.subjects],
        slice_metric=domain.slice_metric,
        decisions=decided,
        policy=policy,
        standing=_standing(decisions, version),
    )


def subject(version: int) -> str:
    """What a decision of the policy on a version is on record under."""
    return f"version {version}"


def attach(registry: ModelRegistry, version: ModelVersion, known: Mapping[str, Any]) -> None:
    """Put the facts of a version's card beside it in the registry; :func:`bring_up_to_date` words them."""
    registry.attach(version, {FACTS: json.dumps(known, indent=2, ensure_ascii=False)})


def current(version: ModelVersion, work: Lifecycle) -> str | None:
    """The card of a version as of now, in Markdown; None of a version that was never evaluated as a candidate."""
    registry, operations = work.registry, work.operations
    known = registry.document(version, FACTS)
    if known is None:
        return None
    number = version.version
    decided = [
        record
        for record in operations.promotions()
        if record.challenger == number or (record.champion_before != record.champion_after and number in _ends(record))
    ]
    asked = operations.records(PolicyDecision, subject=subject(number), last=1)
    return rendered(json.loads(known), work.domain, decisions=decided, policy=asked[0] if asked else None)


def bring_up_to_date(decided: PromotionRecord, work: Lifecycle) -> None:
    """Word the cards of the versions that a decision was about anew, beside them in the registry."""
    registry = work.registry
    known = {version.version: version for version in registry.versions()}
    for number in sorted({decided.challenger, *_ends(decided)} & set(known)):
        text = current(known[number], work)
        if text is not None:
            registry.attach(known[number], {CARD: text, PAGE: page(text, title=f"Model card: version {number}")})


def _ends(record: PromotionRecord) -> set[int]:
    return {version for version in (record.champion_before, record.champion_after) if version is not None}


def page(text: str, *, title: str) -> str:
    """The card as a page of its own, without anything from elsewhere, that prints."""
    import jinja2
    import markupsafe
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    body = markupsafe.Markup(reader.render(text))  # noqa: S704 (made without HTML of its own)
    return jinja2.Environment(autoescape=True).from_string(PAGE_TEMPLATE).render(title=title, style=STYLE, body=body)


PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>{{ style }}</style></head>
<body>
{{ body }}</body></html>
"""
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


def _how(record: PromotionRecord) -> markdown.Markdown:
    at = f"{record.decided_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    if record.by:
        return markdown.text(f"{record.kind.capitalize()} by {record.by}, {at}.")
    return markdown.Markdown(f"The night's own decision, run {markdown.code(record.run_id[:8])}, {at}.")


def _standing(decisions: Sequence[PromotionRecord], version: int) -> str:
    if not decisions:
        return "Nothing has been decided on it."
    last = decisions[-1]
    if last.champion_after == version:
        return f"It is champion, by the decision of {last.business_date}."
    return "It is not champion."
