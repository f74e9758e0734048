"""Sends messages to an AMQP listener as a legacy machine would. Prints one line for each event.

usage: proton_client.py URL ADDRESS MODE [key=value ...]
modes: json (a few JSON messages), types (one message of each odd type)
"""

import sys
import uuid

from proton import (
    Data, Message, SSLDomain, byte, char, decimal128, decimal32, decimal64, float32, int32, symbol, timestamp, ubyte, uint, ulong,
)
from proton.handlers import MessagingHandler
from proton.reactor import Container

say = lambda *words: print(*words, flush=True)


class Client(MessagingHandler):
    def __init__(self, url, address, messages, options):
        super().__init__()
        self.url, self.address, self.messages, self.options = url, address, messages, options
        self.sent = self.settled = 0

    def on_start(self, event):
        extra = {}
        if "ca" in self.options:
            domain = SSLDomain(SSLDomain.MODE_CLIENT)
            domain.set_trusted_ca_db(self.options["ca"])
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER, self.options["ca"])
            if "certificate" in self.options:
                domain.set_credentials(self.options["certificate"], self.options["key"], "")
            extra["ssl_domain"] = domain
        if "user" in self.options:
            extra["user"], extra["password"] = self.options["user"], self.options["password"]
        if "mechs" in self.options:
            extra["allowed_mechs"] = self.options["mechs"]
        connection = event.container.connect(self.url, reconnect=False, allow_insecure_mechs=True, **extra)
        self.sender = event.container.create_sender(connection, self.address)

    def on_connection_opened(self, event):
        say("open")

    def on_sendable(self, event):
        while event.sender.credit and self.sent < len(self.messages):
            event.sender.send(self.messages[self.sent])
            self.sent += 1

    def outcome(self, word, event, detail=""):
        say(word, event.delivery.tag, detail)
        self.settled += 1
        if self.settled == len(self.messages):
            event.connection.close()

    def on_accepted(self, event):
        self.outcome("accepted", event)

    def on_rejected(self, event):
        condition = event.delivery.remote.condition
        self.outcome("rejected", event, f"{condition.name}: {condition.description}" if condition else "")

    def on_released(self, event):
        self.outcome("released", event)

    def on_link_error(self, event):
        condition = event.link.remote_condition
        say("link-error", condition.name, condition.description)
        event.connection.close()

    def on_transport_error(self, event):
        condition = event.transport.condition
        say("transport-error", condition.name, condition.description)

    def on_disconnected(self, event):
        say("disconnected")


def odd_types():
    body = {
        "ulong": ulong(18446744073709551615),
        "small": ubyte(7),
        "long": -9007199254740993,
        "decimal32": decimal32(0xB2000005),
        "decimal64": decimal64(0x31A000000000007B),
        "decimal128": decimal128(bytes.fromhex("30403cde6fff9732de825cd07e96aff2")),
        "float": float32(231.7),
        "double": 0.1,
        "time": timestamp(1795507201250),
        "uuid": uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        "symbol": symbol("running"),
        "char": char("\u00e4"),
        "bytes": b"\x01\x02",
        "nested": {"temps": [{"value": 93.2}, {"value": 94.5}], "on": True, "none": None},
        "int": int32(-5),
        "byte": byte(-1),
        "uint": uint(4000000000),
    }
    return [Message(body=body, properties={"kind": "odd", "count": ulong(9007199254740993)}, subject="types", annotations={symbol("x-opt-line"): "l1"})]


def main():
    url, address, mode, *rest = sys.argv[1:]
    options = dict(part.split("=", 1) for part in rest)
    if mode == "types":
        messages = odd_types()
    else:
        messages = [Message(body=b'{"speed": %d}' % n, inferred=True, content_type="application/json") for n in range(3)]
        if mode == "broken":
            messages[1] = Message(body=b'{"speed": ', inferred=True)
    Container(Client(url, address, messages, options)).run()


main()
