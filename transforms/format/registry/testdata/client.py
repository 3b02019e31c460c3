"""Reads values with Confluent's own deserializers, and writes one with its serializer.

Takes one JSON object on standard input: registry, topic, the values as hexadecimal, and
of protobuf the file descriptor as base64. Gives one JSON object on standard output.
"""

import base64
import decimal
import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

given = json.load(sys.stdin)
registry = SchemaRegistryClient({"url": given["registry"]})
context = SerializationContext(given["topic"], MessageField.VALUE)
raw = {name: bytes.fromhex(text) for name, text in given["values"].items()}

pool = descriptor_pool.DescriptorPool()
pool.Add(descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(given["file"])))
message = message_factory.GetMessageClass(pool.FindMessageTypeByName(given["message"]))

order = AvroDeserializer(registry)(raw["avro"], context)
read = ProtobufDeserializer(message, {"use.deprecated.format": False})(raw["protobuf"], context)
with open(given["schema"], encoding="utf-8") as file:
    fitting = JSONDeserializer(file.read(), schema_registry_client=registry)(raw["json_schema"], context)

written = AvroSerializer(
    registry,
    json.dumps({"type": "record", "name": "Written", "fields": [
        {"name": "big", "type": "long"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "raw", "type": "bytes"},
    ]}),
)({"big": 2**63 - 1, "price": decimal.Decimal("12.50"), "note": "ü", "raw": b"\x00\xff"},
  SerializationContext("python", MessageField.VALUE))

json.dump({
    "avro": {name: str(value) for name, value in order.items()},
    "protobuf": json_format.MessageToDict(read, preserving_proto_field_name=True),
    "json_schema": fitting,
    "written": written.hex(),
}, sys.stdout)
