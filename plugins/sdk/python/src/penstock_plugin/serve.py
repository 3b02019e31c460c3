"""The service that a plugin is."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Literal, Union

import grpc

from . import blocks, settings, transform_pb2 as pb
from .record import Record

Becomes = Union[Record, Iterable[Record], None]

MAX_MESSAGE = 64 << 20


class Refused(Exception):
    """Raised for a record that is refused: on_error of the pipeline says what becomes of it."""

    def __init__(self, why: str, may_pass: bool = False) -> None:
        """Give the reason, and whether the record may pass when it is tried again."""
        super().__init__(why)
        self.why, self.may_pass = why, may_pass


@dataclass
class _NoSettings:
    pass


class Plugin:
    """A plugin.

    new makes, of the settings of a pipeline, what transforms: a callable that is given a
    record. An exception of new refuses the settings. values is "decoded" (JSON) or "bytes".

    With batches=True it is given the records of a batch, a list, and gives a list of the same
    length: what becomes of each, or Refused for one that is refused. An exception of such a
    callable is about the batch as a whole: it comes again.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str,
        doc: str,
        new: Callable[[Any], Callable[[Any], Any]],
        settings: type = _NoSettings,
        values: Literal["decoded", "bytes"] = "decoded",
        example: str = "",
        batches: bool = False,
    ) -> None:
        """Say what the plugin is."""
        self.batches = batches
        self.name, self.version, self.doc, self.new = name, version, doc, new
        self.settings, self.decoded, self.example = settings, values == "decoded", example
        self._transform: Callable[[Any], Any] | None = None
        self._drained = False
        self._calls = 0
        self._idle = threading.Condition()

    def serve(self) -> None:
        """Serve the Penstock that has started the process, and return when it is done.

        With --debug as its first argument the program waits, until it is interrupted, for a
        Penstock that the line it prints is given to: so it can run in a debugger.
        """
        debug = sys.argv[1:2] == ["--debug"]
        if os.environ.get("PENSTOCK_PLUGIN") != "transform" and not debug:
            sys.exit(f"{self.name} is a plugin of Penstock: name it in a pipeline file, or say penstock plugin test")
        if not debug:
            threading.Thread(target=_die_with_host, args=(os.getppid(),), daemon=True).start()
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
        done = threading.Event()
        server.add_generic_rpc_handlers((self._handlers(), *_go_plugin(done)))
        path = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp(prefix="penstock-debug-"), f"plugin{os.getpid()}")
        server.add_insecure_port("unix:" + path)
        server.start()
        if debug:
            print(f"The plugin waits. Where Penstock is started, say first:\n\n  export PENSTOCK_REATTACH='{os.path.basename(sys.argv[0])}={path}'\n", flush=True)
        else:
            print(f"1|1|unix|{path}|grpc", flush=True)
            os.dup2(2, 1)  # standard output is the protocol's: what is printed goes to the log
        try:
            done.wait()
        except KeyboardInterrupt:
            pass
        server.stop(1).wait()

    def _handlers(self) -> grpc.GenericRpcHandler:
        def method(call: Any, request: Any) -> grpc.RpcMethodHandler[Any, Any]:
            return grpc.unary_unary_rpc_method_handler(call, request_deserializer=request.FromString, response_serializer=lambda m: m.SerializeToString())

        return grpc.method_handlers_generic_handler(
            "penstock.plugin.v1.Transform",
            {
                "Describe": method(self._describe, pb.DescribeRequest),
                "Open": method(self._open, pb.OpenRequest),
                "Apply": method(self._apply, pb.ApplyRequest),
                "Drain": method(self._drain, pb.DrainRequest),
            },
        )

    def _describe(self, _request: Any, _context: Any) -> Any:
        values = pb.DECODED if self.decoded else pb.BYTES
        return pb.DescribeResponse(name=self.name, version=self.version, doc=self.doc, values=values, schema=settings.schema(self.settings), example=self.example)

    def _open(self, request: Any, _context: Any) -> Any:
        made, problems = settings.read(self.settings, request.settings)
        if not problems:
            try:
                self._transform = self.new(made)
            except Exception as e:  # whatever is wrong with them
                traceback.print_exc()
                problems = [settings.Problem("", str(e) or type(e).__name__, "see what the plugin logs")]
        return pb.OpenResponse(problems=[pb.Problem(field=p.field, what=p.what, do=p.do) for p in problems])

    def _apply(self, request: Any, context: Any) -> Any:
        with self._idle:
            if self._transform is None or self._drained:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the plugin is not open")
            self._calls += 1
        try:
            return pb.ApplyResponse(block=self._answer(request, context))
        finally:
            with self._idle:
                self._calls -= 1
                self._idle.notify_all()

    def _answer(self, request: Any, context: Any) -> bytes:
        answer = blocks.Answer()
        records = [Record(packed, self.decoded) for packed in blocks.unpack(request.block, request.records)]
        if self.batches:
            for record, became in zip(records, self._batch(records, context)):
                self._one(record, lambda _, became=became: _raised(became), answer)
            return answer.block()
        for record in records:
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "nobody waits for it any more")
            self._one(record, self._transform, answer)
        return answer.block()

    def _batch(self, records: list[Record], context: Any) -> list[Any]:
        """Transform a batch. What is wrong with all of it makes it come again."""
        assert self._transform is not None
        try:
            became = list(self._transform(records))
            if len(became) == len(records):
                return became
            why = f"the plugin gives {len(became)} answers about {len(records)} records"
        except Exception as e:
            print(f"[ERROR] the plugin failed with a batch: {type(e).__name__}", file=sys.stderr)
            traceback.print_tb(e.__traceback__)
            why = f"{type(e).__name__}; its log says where"
        context.abort(grpc.StatusCode.ABORTED, why)
        raise AssertionError("abort raises")

    def _one(self, record: Record, transform: Any, answer: blocks.Answer) -> None:
        """Answer about one record."""
        try:
            became = transform(record)
            records = [] if became is None else [became] if isinstance(became, Record) else list(became)
            packed = [r._pack() for r in records]
        except Refused as refused:
            answer.refuse(refused.why, refused.may_pass)
            return
        except Exception as e:  # a record that the plugin cannot take; what it says may be of the record
            print(f"[ERROR] the plugin failed with a record: {type(e).__name__}", file=sys.stderr)
            traceback.print_tb(e.__traceback__)
            answer.refuse(f"the plugin failed ({type(e).__name__}); its log says where", False)
            return
        if not records:
            answer.drop()
        elif len(records) == 1 and records[0] is record and packed[0] is None:
            answer.keep()
        else:
            answer.become([p or blocks.Packed() for p in packed])

    def _drain(self, _request: Any, _context: Any) -> Any:
        with self._idle:
            self._drained = True
            self._idle.wait_for(lambda: self._calls == 0)
        return pb.DrainResponse()


def _go_plugin(done: threading.Event) -> tuple[grpc.GenericRpcHandler, ...]:
    """Give the services that go-plugin looks for: health, and the end of the process."""

    def shut_down(_request: bytes, _context: Any) -> bytes:
        done.set()
        return b""

    def check(_request: bytes, _context: Any) -> bytes:
        return b"\x08\x01"  # HealthCheckResponse{status: SERVING}

    def method(call: Any) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.unary_unary_rpc_method_handler(call, request_deserializer=bytes, response_serializer=bytes)

    return (
        grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": method(shut_down)}),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method(check)}),
    )


def _raised(became: Any) -> Any:
    """Give what becomes of a record, and raise Refused."""
    if isinstance(became, Refused):
        raise became
    return became


def _die_with_host(host: int) -> None:
    """End the process when its host is gone without having said so."""
    while os.getppid() == host:
        time.sleep(1)
    os._exit(1)
