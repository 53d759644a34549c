"""A policy is asked, in process or of a server, and whatever it cannot say is a refusal."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from resources import home
from resources.config.lifecycle import PolicyConfig
from resources.errors import Refused, Unavailable
from resources.policy.client import Policy
from resources.records.lifecycle import PolicyDecision

SHIPPED = home.PROJECT / "config" / "policy"
SHOP = """
# Nobody under a limit.
package shop

import rego.v1

limit := 18

default allow := false

allow if count(deny) == 0

deny contains {"rule": "is_of_age", "says": sprintf("%d is below %d", [age, limit]), "place": place} if {
	some place, age in input.ages
	age < limit
}
"""
NOW = dt.datetime(2024, 4, 1, 2, tzinfo=dt.UTC)


def written(folder: Path, text: str = SHOP, **others: str) -> Policy:
    for name, content in {"shop": text, **others}.items():
        (folder / f"{name}.rego").write_text(content, encoding="utf-8")
    return Policy(folder=str(folder))


class TestInProcess:
    def test_answer_says_which_rules_denied_and_why(self, tmp_path: Path):
        policy = written(tmp_path)
        assert policy.ask("shop", {"ages": {"till": 30}}).is_allowed
        answer = policy.ask("shop", {"ages": {"till": 17, "bar": 12, "shelf": 18}})
        assert not answer.is_allowed
        assert [(one.rule, one.says, one.about) for one in answer.fired] == [
            ("is_of_age", "12 is below 18", {"place": "bar"}),
            ("is_of_age", "17 is below 18", {"place": "till"}),
        ]

    @pytest.mark.parametrize("text", ['7" pizza', "back\\slash", "two\nlines\ttab", "Käse – 'mild'", '"', "100 %s %d"])
    def test_texts_come_back_as_they_went(self, tmp_path: Path, text: str):
        rule = f"""
package shop

import rego.v1

default allow := false

deny contains {{"rule": "named", "says": sprintf("not %s", [name])}} if {{
	some name in input.names
	name in {{{json.dumps(text, ensure_ascii=False)}}}
}}
"""
        answer = written(tmp_path, rule).ask("shop", {"names": [text, "other"]})
        assert [one.says for one in answer.fired] == [f"not {text}"]

    def test_answer_goes_on_record(self, tmp_path: Path, operations):
        answer = written(tmp_path).ask("shop", {"ages": {"bar": 12}})
        operations.record(answer.on_record(subject="version 7", run_id="run", now=NOW))
        assert operations.records(PolicyDecision, subject="version 7") == [
            PolicyDecision(
                package="shop",
                subject="version 7",
                question={"ages": {"bar": 12}},
                is_allowed=False,
                fired=[{"rule": "is_of_age", "says": "12 is below 18", "place": "bar"}],
                policy_digest=answer.digest,
                run_id="run",
                decided_at=NOW,
            )
        ]

    def test_digest_changes_with_the_rules_alone(self, tmp_path: Path):
        policy = written(tmp_path)
        before = policy.ask("shop", {"ages": {}}).digest
        assert re.fullmatch("[0-9a-f]{64}", before)
        assert policy.digest() == before
        written(tmp_path, SHOP, shop_test="package shop_test\n\nimport rego.v1\n\ntest_it if true\n")
        assert policy.digest() == before
        (tmp_path / "shop.rego").rename(tmp_path / "renamed.rego")
        assert policy.digest() == before
        written(tmp_path, SHOP.replace("18", "19"))
        assert policy.digest() != before

    def test_change_holds_from_the_next_question_on(self, tmp_path: Path):
        policy = written(tmp_path)
        assert policy.ask("shop", {"ages": {"bar": 18}}).is_allowed
        written(tmp_path, SHOP.replace("18", "21"))
        assert not policy.ask("shop", {"ages": {"bar": 18}}).is_allowed


class TestWhatItCannotSay:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (SHOP + "\nallow if {\n", "does not parse"),
            (SHOP.replace("package shop\n", ""), "does not parse: Invalid import declaration, line"),
            ("", "does not parse"),
            ("hello", "has no package shop"),
            (SHOP.replace("package shop", "package shops"), "has no package shop"),
            (SHOP.replace("default allow := false", "").replace("== 0", "== 7"), "does not say whether it is allowed"),
            (
                SHOP.replace("default allow := false", "").replace("allow if", 'allow := "yes" if'),
                "does not say whether",
            ),
            (SHOP.replace("deny contains", "denied contains").replace("count(deny) == 0", "true"), "which rules deny"),
            (SHOP.replace('"rule": "is_of_age", ', ""), "does not say which rules deny"),
            (SHOP.replace("count(deny)", "cuont(deny)"), "cannot be evaluated"),
            (SHOP.replace("age < limit", "to_number(place) < limit"), "cannot be evaluated"),
            (SHOP + "\nlimit := 21\n", "cannot be evaluated"),
        ],
    )
    def test_it_refuses_and_names_the_files(self, tmp_path: Path, text: str, says: str):
        with pytest.raises(Refused, match=re.escape(says)) as refusal:
            written(tmp_path, text).ask("shop", {"ages": {"bar": 12}})
        assert str(tmp_path) in refusal.value.remedy

    def test_rules_that_the_engine_cannot_compile_are_a_refusal_and_no_crash(self, tmp_path: Path):
        with_input = SHOP + '\nodd if shop_allows with input as {"ages": {}}\n\nshop_allows if allow\n'
        with pytest.raises(Refused, match="cannot be evaluated"):
            written(tmp_path, with_input).ask("shop", {"ages": {}})

    def test_folder_without_a_policy(self, tmp_path: Path):
        with pytest.raises(Refused, match=r"has no \.rego file"):
            Policy(folder=str(tmp_path / "none")).ask("shop", {})

    def test_file_that_is_no_text(self, tmp_path: Path):
        (tmp_path / "shop.rego").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(Refused, match="cannot be read"):
            Policy(folder=str(tmp_path)).ask("shop", {})

    def test_pipe_among_the_files_keeps_nobody_waiting(self, tmp_path: Path):
        os.mkfifo(tmp_path / "shop.rego")
        with pytest.raises(Refused, match=r"shop\.rego is no file"):
            Policy(folder=str(tmp_path)).ask("shop", {})

    def test_what_fails_its_own_tests_decides_nothing(self, tmp_path: Path):
        test = """
package shop_test

import data.shop

import rego.v1

test_limit if shop.limit == 18

test_limit_is_no_other if not shop.limit == 21
"""
        policy = written(tmp_path, shop_test=test)
        assert policy.ask("shop", {"ages": {}}).is_allowed
        assert [(one.name, one.has_passed) for one in policy.tested()] == [
            ("test_limit", True), ("test_limit_is_no_other", True),
        ]  # fmt: skip
        written(tmp_path, SHOP.replace("18", "21"))
        assert [one.has_passed for one in policy.tested()] == [False, False]
        with pytest.raises(Refused, match="fails 2 of its own tests, first test_limit;"):
            policy.ask("shop", {"ages": {}})


class TestShippedPolicy:
    def test_it_passes_its_own_tests(self):
        found = Policy(folder=str(SHIPPED)).tested()
        assert [one.name for one in found if not one.has_passed] == []
        assert {Path(one.file).name for one in found} == {"promotion_test.rego", "recommendation_test.rego"}
        assert len(found) > 40

    def test_it_is_the_one_in_use_by_default(self):
        assert home.PROJECT / PolicyConfig().path == SHIPPED

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            ("largest_calibration_error := 0.05", "largest_calibration_eror := 0.05"),
            ("fewest_households := 30", "fewest_households := 29"),
            ("oldest_label_days := 21", "oldest_label_days := 22"),
            ("oldest_version_days := 14", "oldest_version_days := 15"),
            ("largest_slice_loss_percent := 10", "largest_slice_loss_percent := 14"),
            ("fewest_households_in_slice := 50", "fewest_households_in_slice := 49"),
            ('watches_that_stop := {"inputs"}', "watches_that_stop := set()"),
            ("opponent.low > 0", "opponent.low >= 0"),
            ("slice.high < 0", "slice.high < 1"),
            ("question.version.sample_matches != true", "question.version.sample_match == false"),
            ('question.override.reason != ""', 'question.override.by != ""'),
            ('question.kind == "promote"', 'question.kind != "rollback"'),
            (
                "is_restricted(kind)\n\tkind.is_bought_before != true",
                "is_restricted(kind)\n\tkind.is_bought_befor == false",
            ),
            ("is_sensitive(kind)\n\tkind.is_bought_before != true", "is_sensitive(kind)"),
            ("upper(kind.category) in restricted_categories", "upper(kind.category) in restricted_category"),
            ("upper(kind.subcategory)", "lower(kind.subcategory)"),
            ('"no_tobacco",', ""),
            ("CIGAR|", ""),
            ("|TABAK", ""),
            ('"SNUFF"', ""),
            ('"nothing_private",', ""),
        ],
    )
    def test_mistake_in_it_is_noticed_before_it_decides(self, tmp_path: Path, right: str, wrong: str):
        shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
        (file,) = [file for file in tmp_path.glob("*.rego") if "_test" not in file.name and right in file.read_text()]
        file.write_text(file.read_text().replace(right, wrong, 1))
        with pytest.raises(Refused, match=r"of its own tests|cannot be evaluated"):
            Policy(folder=str(tmp_path)).ask("nightcart.promotion", {})

    def test_every_rule_that_is_listed_is_there_and_every_rule_there_is_listed(self):
        for file in ("promotion.rego", "recommendation.rego"):
            text = (SHIPPED / file).read_text(encoding="utf-8")
            written_out = set(re.findall(r'^denial\("(\w+)"', text, re.MULTILINE))
            listed = set(re.findall(r'"(\w+_\w+)"[,}]', text.partition("# ── The rules")[0]))
            listed |= set(re.findall(r"\w+", text.partition("\nrules := {")[2].partition("}")[0]))
            assert written_out <= listed, file


class Stub(BaseHTTPRequestHandler):
    """An OPA server as far as it is asked: `answers` are (status, body) by path; what it was asked is kept."""

    answers: ClassVar[dict[str, tuple[int, Any]]] = {}
    asked: ClassVar[list[tuple[str, Any]]] = []

    def do_GET(self) -> None:
        self.reply(None)

    def do_POST(self) -> None:
        self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def reply(self, body: Any) -> None:
        self.asked.append((self.path, body))
        status, said = self.answers.get(self.path.partition("?")[0], (404, {}))
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Stub]]]:
    policies = [{"id": "policy/shop.rego", "raw": SHOP}, {"id": "policy/shop_test.rego", "raw": "its tests"}]
    denied = {"allow": False, "deny": [{"rule": "old", "says": "12", "place": "bar"}]}
    answers = {"/v1/policies": (200, {"result": policies}), "/v1/data/shop/age": (200, {"result": denied})}
    stub = type("Own", (Stub,), {"answers": answers, "asked": []})
    running = ThreadingHTTPServer(("127.0.0.1", 0), stub)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", stub
    running.shutdown()
    running.server_close()


class TestServer:
    def test_it_answers_instead_with_the_digest_of_its_own_rules(self, server, tmp_path: Path):
        address, stub = server
        policy = Policy(folder=str(tmp_path), server=address + "/")
        answer = policy.ask("shop.age", {"ages": {"bar": 12}})
        assert not answer.is_allowed
        assert [(one.rule, one.says, one.about) for one in answer.fired] == [("old", "12", {"place": "bar"})]
        assert stub.asked[-1] == ("/v1/data/shop/age?strict-builtin-errors=true", {"input": {"ages": {"bar": 12}}})
        # The same files, wherever they are evaluated, have the same digest.
        assert answer.digest == policy.digest() == written(tmp_path).digest()

    @pytest.mark.parametrize(
        ("path", "reply", "says"),
        [
            ("/v1/data/shop/age", (200, {}), "has no package shop.age"),
            ("/v1/data/shop/age", (200, {"result": {"allow": 1, "deny": []}}), "whether it is allowed"),
            ("/v1/data/shop/age", (200, {"result": {"allow": True}}), "which rules deny"),
            ("/v1/data/shop/age", (500, {"code": "internal_error", "message": "conflict"}), "conflict"),
            ("/v1/data/shop/age", (400, {"code": "invalid_parameter"}), "invalid_parameter"),
            ("/v1/data/shop/age", (200, b"<html>"), "does not speak its JSON"),
            ("/v1/data/shop/age", (200, []), "is no OPA server"),
            ("/v1/policies", (403, {"code": "unauthorized"}), "unauthorized"),
            ("/v1/policies", (200, {"result": None}), "does not tell its policies"),
        ],
    )
    def test_what_it_cannot_say_is_a_refusal(self, server, path, reply, says):
        address, stub = server
        stub.answers = stub.answers | {path: reply}
        with pytest.raises(Refused, match=re.escape(says)):
            Policy(folder="", server=address).ask("shop.age", {})

    @pytest.mark.parametrize("path", ["/v1/policies", "/v1/data/shop/age"])
    def test_one_in_trouble_is_tried_again(self, server, path):
        address, stub = server
        stub.answers = stub.answers | {path: (503, b"overloaded")}
        with pytest.raises(Unavailable, match="does not answer"):
            Policy(folder="", server=address).ask("shop.age", {})

    def test_one_that_is_down_allows_nothing(self):
        with pytest.raises(Unavailable, match="without it nothing is allowed") as refusal:
            Policy(folder=str(SHIPPED), server="http://127.0.0.1:9").ask("nightcart.promotion", {})
        assert "[policy] server" in refusal.value.remedy

    def test_address_that_is_none_is_refused_with_the_configuration(self):
        with pytest.raises(ValueError, match="server"):
            PolicyConfig(server="opa:8181")


class TestBounds:
    """A rule that runs for ever, or takes all memory, is a refusal, and not the end of the night."""

    ENDLESS = "endless := count({1 | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); some c in numbers.range(1, 5000)})"
    GREEDY = "greedy := [[n | some n in numbers.range(1, 100000)] | some each in numbers.range(1, 100000)]"

    @pytest.mark.parametrize("rule", [ENDLESS, GREEDY])
    def test_it_is_ended_in_words(self, tmp_path: Path, rule: str, monkeypatch: pytest.MonkeyPatch):
        from resources.policy import bounded

        policy = written(tmp_path, SHOP + f"\n{rule}\n")
        monkeypatch.setattr(bounded, "PATIENCE", 2)
        monkeypatch.setattr(bounded, "MEMORY", 150 * 1024**2)
        began = time.monotonic()
        with pytest.raises(
            Refused, match=r"shop of the policy takes more than .* seconds or .* MB: it decides nothing"
        ):
            policy.ask("shop", {"ages": {}})
        assert time.monotonic() - began < 30

    def test_question_of_any_length_is_answered(self, tmp_path: Path):
        long = {
            "places": [f"{n:0100}" for n in range(20_000)]
        }  # more than a pipe holds, and slower than the first look
        assert written(tmp_path).ask("shop", {"ages": {"till": 30}} | long).is_allowed

    def test_an_engine_that_ends_its_process_ends_no_night(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        from resources.policy import bounded

        monkeypatch.setattr(bounded, "__name__", "no_such_module")  # as one that cannot begin
        with pytest.raises(Refused, match="it decides nothing"):
            written(tmp_path).ask("shop", {"ages": {}})
