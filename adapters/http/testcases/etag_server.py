"""A page with an ETag, by Python's http.server. PUT replaces its body."""
import hashlib
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b'{"count": 1, "exact": 18446744073709551615, "bad": NaN}'

    def do_GET(self):
        etag = '"%s"' % hashlib.md5(Page.body).hexdigest()
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(Page.body)))
        self.end_headers()
        self.wfile.write(Page.body)

    def do_PUT(self):
        Page.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, form, *args):
        print(form % args, flush=True)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
print("port %d" % server.server_port, flush=True)
server.serve_forever()
