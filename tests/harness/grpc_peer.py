"""Both ends of gRPC calls, by the library that most people use: messages are bytes, so that nothing is generated.

`serve PORT` is a service; `web PORT` is one for browsers (gRPC-Web over HTTP/1.1). `call ADDRESS HOST CA METHOD [NAME=VALUE…]`
makes one call with this metadata over TLS, and prints what came of it as a line of JSON; `webcall URL METHOD [NAME=VALUE…]` the same
as a browser would.
"""

import json
import sys
import threading
import time

import grpc

SERVICE = "vestibule.test.Echo"
WORDS = [b"one", b"two", b"three"]


def metadata_of(context):
    return {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}


def once(message, context):
    """Answers with what came, the metadata in front of the answer and behind it."""
    seen = metadata_of(context)
    context.send_initial_metadata((("x-begin", "b"),))
    context.set_trailing_metadata((("x-end", "e"), ("x-vestibule-user", "forged")))
    return json.dumps({"message": message.decode(), "metadata": seen}).encode()


def many(message, context):
    """One answer for each millisecond that the message names, after that pause."""
    for pause in message.decode().split(","):
        time.sleep(int(pause) / 1000)
        yield str(time.time()).encode()
    context.set_trailing_metadata((("x-end", "e"),))


def both(messages, context):
    """Each message back as it comes."""
    yield from messages


def gather(messages, context):
    """How much came."""
    return json.dumps([len(message) for message in messages]).encode()


def fails(message, context):
    """Without a single answer."""
    context.set_trailing_metadata((("x-end", "e"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "nothing of that name: ü")


def same(message):
    return message


def handlers():
    methods = {
        "Once": grpc.unary_unary_rpc_method_handler(once, same, same),
        "Fails": grpc.unary_unary_rpc_method_handler(fails, same, same),
        "Many": grpc.unary_stream_rpc_method_handler(many, same, same),
        "Gather": grpc.stream_unary_rpc_method_handler(gather, same, same),
        "Both": grpc.stream_stream_rpc_method_handler(both, same, same),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def serve(port):
    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    server.add_generic_rpc_handlers((handlers(),))
    assert server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def web(port):
    from wsgiref.simple_server import make_server

    from sonora.wsgi import grpcWSGI

    application = grpcWSGI(None)
    application.add_generic_rpc_handlers((handlers(),))
    with make_server("127.0.0.1", int(port), application) as server:
        server.serve_forever()


def outcome(call):
    """What `call` returns, or how it failed."""
    try:
        return call()
    except grpc.RpcError as error:
        trailing = {name: value for name, value in error.trailing_metadata() or () if isinstance(value, str)}
        return {"code": error.code().value[0], "details": error.details(), "trailing": trailing}


def call(address, host, ca, method, metadata):
    options = (("grpc.ssl_target_name_override", host), ("grpc.default_authority", host))
    with open(ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    with grpc.secure_channel(address, credentials, options) as channel:
        return outcome(lambda: CALLS[method](channel, metadata))


def call_once(channel, metadata, method="Once"):
    answer, of_call = channel.unary_unary(f"/{SERVICE}/{method}").with_call(b"hello", metadata=metadata, timeout=20)
    begin, end = dict(of_call.initial_metadata()), dict(of_call.trailing_metadata())
    return {"code": 0, "answer": json.loads(answer), "begin": begin, "end": end}


def call_many(channel, metadata):
    """The age of each answer in seconds when it came."""
    stream = channel.unary_stream(f"/{SERVICE}/Many")(b"0,300,300", metadata=metadata, timeout=20)
    ages = [time.time() - float(answer) for answer in stream]
    return {"code": stream.code().value[0], "ages": ages, "end": dict(stream.trailing_metadata())}


def call_both(channel, metadata):
    """Each next message is sent when the last one came back."""
    came = threading.Semaphore(1)

    def messages():
        for word in WORDS:
            came.acquire()
            yield word

    answers = []
    for answer in channel.stream_stream(f"/{SERVICE}/Both")(messages(), metadata=metadata, timeout=20):
        answers.append(answer.decode())
        came.release()
    return {"code": 0, "answers": answers}


def call_gather(channel, metadata):
    parts = (bytes(300_000) for _ in range(10))
    answer = channel.stream_unary(f"/{SERVICE}/Gather")(parts, metadata=metadata, timeout=20)
    return {"code": 0, "lengths": json.loads(answer)}


def call_silent(channel, metadata):
    """A stream on which nothing comes, until the other side ends it."""
    stream = channel.unary_stream(f"/{SERVICE}/Many")(b"0,30000", metadata=metadata, timeout=40)
    next(stream)
    print("open", flush=True)
    next(stream)
    return {"code": 0}


CALLS = {
    "Once": call_once,
    "Fails": lambda channel, metadata: call_once(channel, metadata, "Fails"),
    "Many": call_many,
    "Both": call_both,
    "Gather": call_gather,
    "Silent": call_silent,
}


def webcall(url, method, metadata):
    import sonora.client

    with sonora.client.insecure_web_channel(url) as channel:
        if method == "Many":
            stream = channel.unary_stream(f"/{SERVICE}/Many", same, same)
            return weboutcome(lambda: {"code": 0, "count": len(list(stream(b"0,10,10", 20, metadata)))})
        once = channel.unary_unary(f"/{SERVICE}/{method}", same, same)
        return weboutcome(lambda: {"code": 0, "answer": json.loads(once(b"hello", 20, metadata))})


def weboutcome(call):
    try:
        return call()
    except grpc.RpcError as error:
        return {"code": error.code().value[0], "details": error.details()}


def main():
    verb, *rest = sys.argv[1:]
    if verb in ("serve", "web"):
        return globals()[verb](*rest)
    fixed = 4 if verb == "call" else 2
    metadata = tuple(tuple(pair.split("=", 1)) for pair in rest[fixed:])
    print(json.dumps(globals()[verb](*rest[:fixed], metadata)))


if __name__ == "__main__":
    main()
