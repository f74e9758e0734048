"""An AMQP 1.0 server that answers as it is told: one JSON object a line on stdin, what happens on stdout."""
import base64, hashlib, hmac, json, re, sys, threading, time, urllib.parse
import proton
from proton import Condition, Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector

options = json.loads(sys.argv[1])


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Peer(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False)
        # How each next delivery ends; the last entry stays.
        self.script = options.get("script", ["accept"])
        self.credit = options.get("credit", 100)
        self.held, self.links, self.answers, self.tokens = [], [], {}, {}
        self.connections, self.closed = [], set()

    def on_start(self, event):
        self.injector = EventInjector()
        event.container.selectable(self.injector)
        self.acceptor = event.container.listen("127.0.0.1:%d" % options["port"])
        threading.Thread(target=self.read, daemon=True).start()
        say(ready=True)

    def read(self):
        for line in sys.stdin:
            self.injector.trigger(ApplicationEvent("command", subject=json.loads(line)))
        self.injector.trigger(ApplicationEvent("command", subject={"quit": True}))

    def on_command(self, event):
        command = event.subject
        if "script" in command:
            self.script = command["script"]
        if "credit" in command:
            self.credit = command["credit"]
            for link in self.links:
                if link.state & proton.Endpoint.LOCAL_ACTIVE and self.credit > link.credit:
                    link.flow(self.credit - link.credit)
        if "settle" in command:
            held, self.held = self.held, []
            how = command["settle"]
            for number, delivery in enumerate(held):
                self.end(delivery, how[number] if isinstance(how, list) else how)
        if "detach" in command:
            for link in self.links:
                link.condition = self.condition(command["detach"])
                link.close()
            self.links = []
        if "end" in command:
            for link in self.links:
                link.session.condition = self.condition(command["end"])
                link.session.close()
            self.links = []
        if "close" in command:
            for connection in self.connections:
                connection.condition = self.condition(command["close"])
                connection.close()
        if "quit" in command:
            sys.exit(0)
        say(done=command.get("n"))

    @staticmethod
    def condition(written):
        return Condition(*written) if written else None

    def on_connection_opening(self, event):
        event.connection.container = options.get("container", "proton-peer")
        if "product" in options:
            event.connection.properties = {proton.symbol(k): v for k, v in options["product"].items()}
        if options.get("noIdle") is None:
            event.transport.idle_timeout = 10
        self.connections.append(event.connection)
        say(opened={"container": event.connection.remote_container, "hostname": event.connection.remote_hostname, "user": event.transport.user})

    def on_link_opening(self, event):
        link = event.link
        if link.is_sender:
            link.source.address = link.remote_source.address
            link.target.address = link.remote_target.address
            self.answers[link.remote_target.address] = link
            return
        address = link.remote_target.address
        say(attached={"address": address, "name": link.name, "capabilities": [str(c) for c in link.remote_target.capabilities.get_object()] if link.remote_target.capabilities.next() else []})
        if address in options.get("refuse", {}):
            # An attach without a target; the detach follows.
            link.target.type = proton.Terminus.UNSPECIFIED
            return
        link.source.address = link.remote_source.address
        link.target.address = options.get("elsewhere") or address
        if "maxMessage" in options:
            link.max_message_size = options["maxMessage"]

    def on_link_opened(self, event):
        refused = options.get("refuse", {}).get(event.link.remote_target.address)
        if event.link.is_receiver and refused:
            event.link.condition = self.condition(refused)
            event.link.close()
        elif event.link.is_receiver and event.link.state & proton.Endpoint.LOCAL_ACTIVE:
            if event.link.remote_target.address == "$cbs":
                event.link.flow(10)
            else:
                self.links.append(event.link)
                if self.credit:
                    event.link.flow(self.credit)

    def on_link_closing(self, event):
        self.gone(event.link)
        event.link.close()

    def on_link_closed(self, event):
        self.gone(event.link)

    def gone(self, link):
        if link.name not in self.closed:
            self.closed.add(link.name)
            say(detached=link.remote_target.address if link.is_receiver else link.remote_source.address)

    def on_message(self, event):
        message, delivery, link = event.message, event.delivery, event.link
        address = link.remote_target.address
        if address == "$cbs":
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()
            self.put_token(message)
            return
        if self.credit:
            link.flow(1)
        if "cbsKey" in options and self.tokens.get("sb://localhost/" + address, 0) <= time.time():
            link.condition = Condition("amqp:unauthorized-access", "the token has run out")
            link.close()
            return
        how = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        say(message={
            "address": address, "id": message.id, "how": how if isinstance(how, str) else how[0], "subject": message.subject, "contentType": str(message.content_type),
            "contentEncoding": str(message.content_encoding), "created": message.creation_time, "durable": message.durable,
            "groupId": message.group_id, "properties": message.properties, "data": message.inferred,
            "annotations": {str(k): v for k, v in (message.annotations or {}).items()},
            "size": len(message.body), "sha256": hashlib.sha256(bytes(message.body)).hexdigest(),
            "body": base64.b64encode(bytes(message.body)[:300]).decode()})
        if how == "hold":
            self.held.append(delivery)
        else:
            self.end(delivery, how)

    def end(self, delivery, how):
        kind, *condition = how if isinstance(how, list) else [how]
        if kind == "accept":
            delivery.update(Delivery.ACCEPTED)
        elif kind == "accept-unsettled":
            delivery.update(Delivery.ACCEPTED)
            return
        elif kind == "reject":
            if condition:
                delivery.local.condition = Condition(*condition)
            delivery.update(Delivery.REJECTED)
        elif kind == "release":
            delivery.update(Delivery.RELEASED)
        elif kind == "modify":
            delivery.local.failed = True
            delivery.update(Delivery.MODIFIED)
        elif kind == "undeliverable":
            delivery.local.undeliverable = True
            delivery.update(Delivery.MODIFIED)
        delivery.settle()

    def put_token(self, message):
        audience, token = message.properties["name"], message.body
        fields = dict(part.split("=", 1) for part in token.split(" ", 1)[1].split("&"))
        signed = (fields["sr"] + "\n" + fields["se"]).encode()
        wanted = base64.b64encode(hmac.new(options["cbsKey"].encode(), signed, hashlib.sha256).digest()).decode()
        status, why = 202, "Accepted"
        if message.properties["operation"] != "put-token" or message.properties["type"] != "servicebus.windows.net:sastoken":
            status, why = 400, "not a token"
        elif urllib.parse.unquote(fields["sig"]) != wanted or urllib.parse.unquote(fields["skn"]) != options["cbsName"]:
            status, why = 401, "InvalidSignature"
        elif urllib.parse.unquote(fields["sr"]) != audience:
            status, why = 401, "the audience is another"
        elif int(fields["se"]) <= time.time():
            status, why = 401, "ExpiredToken"
        else:
            # A hair longer than it says, as a service allows for clocks.
            self.tokens[audience] = int(fields["se"])
        say(token={"audience": audience, "status": status, "lifetime": int(fields["se"]) - time.time()})
        answer = Message(correlation_id=message.id, properties={"status-code": proton.int32(status), "status-description": why})
        link = self.answers.get(message.reply_to)
        if link is not None:
            link.send(answer)

    def on_connection_closed(self, event):
        self.forget(event)

    def on_disconnected(self, event):
        self.forget(event)

    def forget(self, event):
        self.links = [link for link in self.links if link.connection != event.connection]
        self.connections = [known for known in self.connections if known != event.connection]

    # A client that goes without a close frame is no reason to say anything.
    def on_transport_error(self, event):
        pass


Container(Peer()).run()
