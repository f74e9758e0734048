"""A sender of AMQP messages that a client attaches to, as a broker. Prints one line for each event.

usage: proton_broker.py PORT
Links to "refused" are ended as soon as they give credit; messages come from the address: "types" gives one message of each odd type and form,
"json" JSON forever, as credit allows.
"""

import sys

from proton import Condition, Message, byte, decimal128, int32, symbol, timestamp, ulong
from proton.handlers import MessagingHandler
from proton.reactor import Container

say = lambda *words: print(*words, flush=True)


def forms():
    """Bodies as they come from clients of all kinds."""
    yield Message(id="value", body={"count": ulong(18446744073709551615), "rate": decimal128(bytes.fromhex("303e0000000000000000000000000001"))})
    yield Message(id="sequence", body=[1, "two", {"three": 3.5}])
    yield Message(id="string", body='{"count": 1311768468603649775}')
    yield Message(id="binary", body=b'{"count": 5}', inferred=True)
    yield Message(id="broken", body=b'{"count": ', inferred=True)
    yield Message(id="empty", body=None)
    yield Message(id="properties", body={"count": 6}, subject="s", properties={"shift": int32(3)}, annotations={symbol("x-opt-line"): byte(2)},
                  creation_time=1795507201.25)


class Broker(MessagingHandler):
    def __init__(self, port):
        super().__init__(auto_settle=True)
        self.port = port
        self.queues = {}

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{self.port}")
        say("listening")

    def on_connection_opening(self, event):
        say("connection", event.connection.remote_container, event.connection.remote_hostname)

    def on_link_opening(self, event):
        link = event.link
        if not link.is_sender:
            return
        address = link.remote_source.address
        link.source.address = address
        self.queues[link] = list(forms()) if address == "types" else None
        say("attach", address, "durable", link.remote_source.durability, "name", link.name)
        filters = link.remote_source.filter
        filters.rewind()
        if filters.next():
            say("filter", filters.get_object())

    def on_sendable(self, event):
        link = event.link
        if link.source.address == "refused":
            link.condition = Condition("amqp:unauthorized-access", "you may not read refused")
            link.close()
            return
        queue = self.queues.get(link, [])
        while link.credit and queue is not None and queue:
            message = queue.pop(0)
            link.send(message, tag=message.id)
        if queue is None:
            say("credit", link.credit)
            while link.credit:
                link.send(Message(body=b'{"count": 1}', inferred=True))

    def on_accepted(self, event):
        say("accepted", event.delivery.tag)

    def on_rejected(self, event):
        condition = event.delivery.remote.condition
        say("rejected", event.delivery.tag, condition.name, condition.description)

    def on_released(self, event):
        say("released", event.delivery.tag)

    def on_modified(self, event):
        say("modified", event.delivery.tag)

    def on_link_closing(self, event):
        say("detach", event.link.source.address)

    def on_connection_closing(self, event):
        say("close", event.connection.remote_condition)

    def on_disconnected(self, event):
        say("disconnected")


Container(Broker(int(sys.argv[1]))).run()
