"""Reads an event hub with Qpid Proton: logs in with SASL PLAIN, attaches to one partition, prints the events as JSON lines."""

import json
import sys

from proton import SSLDomain, symbol
from proton.handlers import MessagingHandler
from proton.reactor import Container, Filter


class Position(Filter):
    """Where a reader begins; Event Hubs takes the selector under this name."""

    def __init__(self, selector):
        from proton import Described, ulong

        super().__init__({symbol("apache.org:selector-filter:string"): Described(symbol("apache.org:selector-filter:string"), selector)})


class Reader(MessagingHandler):
    def __init__(self, port, ca, user, token, address, selector, count):
        super().__init__(prefetch=100)
        self.url = f"amqps://localhost:{port}"
        self.login, self.address, self.selector, self.left, self.ca = (user, token), address, selector, count, ca

    def on_start(self, event):
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(self.ca)
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        user, token = self.login
        connection = event.container.connect(
            self.url, ssl_domain=domain, user=user, password=token, allowed_mechs="PLAIN", reconnect=False, virtual_host="localhost"
        )
        event.container.create_receiver(connection, self.address, options=Position(self.selector))

    def on_message(self, event):
        message = event.message
        annotations = {str(name): value for name, value in message.annotations.items()}
        print(json.dumps({"body": bytes(message.body).decode(), "id": message.id, "properties": message.properties, "annotations": annotations}), flush=True)
        self.left -= 1
        if self.left == 0:
            event.connection.close()

    def on_link_error(self, event):
        print(json.dumps({"refused": str(event.link.remote_condition.name)}), flush=True)
        event.connection.close()

    def on_transport_error(self, event):
        print(json.dumps({"refused": str(event.transport.condition)}), flush=True)


port, ca, user, token, address, selector, count = sys.argv[1:]
Container(Reader(int(port), ca, user, token, address, selector, int(count))).run()
