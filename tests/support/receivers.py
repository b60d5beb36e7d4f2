"""Those whom the hub writes to, for real and on this machine: webhooks, mail, GOV.UK Notify."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.support import ports

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Post:
    """One request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """Return the idempotency key it came with."""
        return self.headers["Idempotency-Key"]


@dataclass
class WebReceiver:
    """An HTTP server that keeps what it is sent and answers as the test wants."""

    answer: Callable[[Post], Answer] = field(default_factory=lambda: answering(200))
    port: int = 0
    got: list[Post] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> WebReceiver:
        """Listen, on the same port as before if it has listened before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                post = Post(self.command, self.path, dict(self.headers), self.rfile.read(length))
                receiver.got.append(post)
                status, headers, body = receiver.answer(post)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _handle

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # a hub that was killed in the middle

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> list[tuple[str, str]]:
        """Return path and body of what came, in order."""
        return [(post.path, post.body.decode()) for post in self.got]

    @property
    def keys(self) -> list[str]:
        """Return the idempotency keys in the order in which they came."""
        return [post.key for post in self.got]


class MailReceiver:
    """An SMTP server that keeps what it is sent; recipients and mail can be refused."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], Message]] = []
        self.refuse_recipient: str | None = None
        self.refuse_mail: str | None = None
        self._controller = Controller(self, hostname="127.0.0.1", port=ports.free_port())

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuse_mail:
            return self.refuse_mail
        self.got.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        return "250 OK"

    def start(self) -> MailReceiver:
        """Listen."""
        self._controller.start()
        return self

    def stop(self) -> None:
        """Be gone."""
        self._controller.stop()

    def url(self, to: str) -> str:
        """Return the Apprise URL that sends a mail here."""
        return f"mailto://127.0.0.1:{self._controller.port}/?from=hub%40example.org&to={to}"

    @property
    def words(self) -> str:
        """Return everything that was sent, decoded."""
        return "\n".join(
            f"{mail['Subject']}\n"
            + "\n".join(
                bytes(part.get_payload(decode=True) or b"").decode()
                for part in mail.walk()
                if not part.is_multipart()
            )
            for _, mail in self.got
        )


class NotifyService(WebReceiver):
    """GOV.UK Notify as far as the hub uses it: takes messages, tells what became of them."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self.sent: dict[str, dict[str, Any]] = {}
        self.refusal: Answer | None = None
        self.status = "delivered"

    def _answer(self, post: Post) -> Answer:
        if self.refusal is not None:
            return self.refusal
        if post.method == "POST":
            ref = f"n{len(self.sent) + 1}"
            self.sent[ref] = {**post.json, "kind": post.path.rpartition("/")[2]}
            return 201, {}, json.dumps({"id": ref}).encode()
        path, _, query = post.path.partition("?")
        if query:
            found = [
                {"id": ref, "status": self.status}
                for ref, one in self.sent.items()
                if query == f"reference={one['reference']}"
            ]
            return 200, {}, json.dumps({"notifications": found}).encode()
        ref = path.rpartition("/")[2]
        return 200, {}, json.dumps({"id": ref, "status": self.status}).encode()


def answering(status: int) -> Callable[[Post], Answer]:
    """Return an answer with this status and nothing else."""
    return lambda _: (status, {}, b"")


@pytest.fixture
def web() -> Iterator[WebReceiver]:
    receiver = WebReceiver().start()
    yield receiver
    receiver.stop()


def slowly(seconds: float) -> Callable[[Post], Answer]:
    """Return an answer that takes its time."""

    def answer(_: Post) -> Answer:
        time.sleep(seconds)
        return 200, {}, b""

    return answer
