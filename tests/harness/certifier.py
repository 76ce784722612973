"""Serves acme2certifier over TLS on loopback: certifier.py PORT CERTIFICATE KEY."""

import ssl
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from acme2certifier.share.acme2certifier_wsgi import application


class Server(ThreadingMixIn, WSGIServer):
    """A connection that says nothing holds up no other, and each ends as TLS wants it."""

    daemon_threads = True

    def shutdown_request(self, request):
        try:
            request.unwrap()
        except (OSError, ValueError):
            pass
        self.close_request(request)


class Handler(WSGIRequestHandler):
    """Asks no name server for the name of who comes, and gives addresses that begin with https."""

    def address_string(self):
        return self.client_address[0]

    def get_environ(self):
        return super().get_environ() | {"HTTPS": "on"}


port, certificate, key = sys.argv[1:]
server = make_server("127.0.0.1", int(port), application, Server, Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
