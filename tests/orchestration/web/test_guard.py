"""Nothing is shown, and nothing can be changed, but in a browser that has opened the link; each refusal is an attack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from orchestration.web.guard import guarded

TOKEN = "t" * 40
HERE = "http://localhost:3000"
MUTATION = {"query": "mutation { launchRun }"}


async def asked(request: Request) -> Response:
    return PlainTextResponse("reached")


async def subscribed(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("reached")
    await socket.close()


def browser(base_url: str = HERE, *names: str, token: str | None = TOKEN) -> TestClient:
    routes = [
        Route("/{path:path}", asked, methods=["GET", "POST", "PUT", "DELETE"]),
        WebSocketRoute("/graphql", subscribed),
    ]
    return TestClient(guarded(Starlette(routes=routes), token, names), base_url=base_url)


@pytest.fixture
def opened() -> Iterator[TestClient]:
    """A browser in which the link was opened."""
    with browser() as client:
        assert client.get(f"/?token={TOKEN}").text == "reached"
        yield client


class TestTheLink:
    @pytest.mark.parametrize(
        "path", ["/", "/graphql", "/manifest.json", "/runs/7", "/logs/a", "/?token=wrong", "/?token="]
    )
    def test_without_it_nothing_is_shown(self, path: str):
        answer = browser().get(path)
        assert answer.status_code == 403
        assert "Open the link that `make ui` printed" in answer.text
        assert "set-cookie" not in answer.headers

    def test_without_it_nothing_is_changed(self):
        assert browser().post("/graphql", json=MUTATION).status_code == 403
        assert browser().post(f"/graphql?token={TOKEN}", json=MUTATION).status_code == 403

    def test_without_it_a_probe_learns_that_the_server_answers(self):
        answer = browser().get("/server_info")
        assert (answer.status_code, answer.content) == (204, b"")

    def test_once_opened_everything_works(self, opened: TestClient):
        assert opened.get("/runs/7?view=all").text == "reached"
        assert opened.get("/server_info").text == "reached"
        assert opened.post("/graphql", json=MUTATION, headers={"origin": HERE}).text == "reached"

    def test_its_token_is_in_no_address_and_its_cookie_in_no_script_or_foreign_form(self):
        answer = browser().get(f"/runs/7?view=all&token={TOKEN}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}/runs/7?view=all")
        assert TOKEN not in answer.headers["set-cookie"]
        assert "nightcart_3000=" in answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))

    def test_cookie_of_another_start_opens_nothing(self, opened: TestClient):
        other = TestClient(guarded(Starlette(), "o" * 40), base_url=HERE, cookies=opened.cookies)
        assert other.get("/").status_code == 403

    def test_a_program_sends_the_token_itself(self):
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert browser().post("/graphql", json=MUTATION, headers=headers).text == "reached"
        assert (
            browser().post("/graphql", json=MUTATION, headers={"authorization": "Bearer é".encode()}).status_code == 403
        )


class TestWhatAPageOfAnotherCouldDo:
    """All of it with the cookie: a browser sends it to every port of the machine, and to a name that points here."""

    @pytest.mark.parametrize(
        "host", ["evil.example:3000", "localhost.evil.example", "", "10.0.0.7:3000", "localhost:3000@evil"]
    )
    def test_a_name_that_was_made_to_point_here(self, opened: TestClient, host: str):
        headers = {
            "host": host,
            "cookie": f"nightcart_3000={opened.cookies['nightcart_3000']}",
            "origin": f"http://{host}",
        }
        assert opened.get("/", headers=headers).status_code == 400
        assert opened.post("/graphql", json=MUTATION, headers=headers).status_code == 400

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "http://localhost:8000", "null", "", "http://127.0.0.1:3000", "http://["]
    )
    def test_another_origin(self, opened: TestClient, origin: str):
        assert opened.post("/graphql", json=MUTATION, headers={"origin": origin}).status_code == 403
        assert opened.get("/", headers={"origin": origin}).status_code == 403

    @pytest.mark.parametrize(
        "kind",
        [
            "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain", "application/graphql",
            "text/plain; application/json", "text/plain;application/json", "application/jsonp", "",
        ],
    )  # fmt: skip
    def test_what_a_form_can_send(self, opened: TestClient, kind: str):
        content = b'{"query": "mutation { launchRun }"}'
        assert opened.post("/graphql", content=content, headers={"content-type": kind}).status_code == 415
        assert opened.post("/report_asset_materialization/products", headers={"content-type": kind}).status_code == 415

    @pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
    def test_a_link_or_an_image(self, opened: TestClient, path: str):
        assert opened.get(path, params=MUTATION, headers={"accept": "image/*"}).status_code == 405

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_another_method(self, opened: TestClient, method: str):
        assert opened.request(method, "/graphql", json=MUTATION).status_code == 405

    def test_a_frame_and_a_picture_from_elsewhere(self, opened: TestClient):
        headers = opened.get("/").headers
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert "img-src 'self' data: blob:;" in headers["content-security-policy"]


class TestSubscriptions:
    def subscribe(self, client: TestClient, **headers: str) -> str:
        with client.websocket_connect("ws://localhost:3000/graphql", headers=headers) as socket:
            return socket.receive_text()

    def test_the_page_itself_may(self, opened: TestClient):
        assert self.subscribe(opened, origin=HERE) == "reached"

    @pytest.mark.parametrize(
        ("headers", "status"),
        [({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"host": "evil.example:3000"}, 400)],
    )
    def test_another_page_may_not(self, opened: TestClient, headers: dict[str, str], status: int):
        with pytest.raises(WebSocketDenialResponse) as refused:
            self.subscribe(opened, **headers)
        assert refused.value.status_code == status

    def test_without_the_link_nobody_may(self):
        with pytest.raises(WebSocketDenialResponse):
            self.subscribe(browser(), origin=HERE)


def test_behind_a_proxy_it_has_another_name():
    with browser("https://nightcart.example", "nightcart.example") as client:
        answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
        assert "Secure" in answer.headers["set-cookie"]
        assert client.post("/graphql", json=MUTATION, headers={"origin": "https://nightcart.example"}).text == "reached"


def test_whom_a_proxy_lets_in_launches_nothing_by_a_link_a_form_or_another_page():
    page = "https://nightcart.example"
    with browser(page, "*", token=None) as client:
        assert client.get("/").text == "reached"
        assert client.post("/graphql", json=MUTATION, headers={"origin": page}).text == "reached"
        assert client.get("/graphql", params=MUTATION).status_code == 405
        assert client.post("/graphql", json=MUTATION, headers={"origin": "https://evil.example"}).status_code == 403
        assert client.post("/graphql", content="{}", headers={"content-type": "text/plain"}).status_code == 415
