from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Values(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUES_UNSPECIFIED: _ClassVar[Values]
    DECODED: _ClassVar[Values]
    BYTES: _ClassVar[Values]
VALUES_UNSPECIFIED: Values
DECODED: Values
BYTES: Values

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("name", "version", "doc", "values", "schema", "example")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    doc: str
    values: Values
    schema: str
    example: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., doc: _Optional[str] = ..., values: _Optional[_Union[Values, str]] = ..., schema: _Optional[str] = ..., example: _Optional[str] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("pipeline", "settings")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    settings: str
    def __init__(self, pipeline: _Optional[str] = ..., settings: _Optional[str] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("problems",)
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("field", "what", "do")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DO_FIELD_NUMBER: _ClassVar[int]
    field: str
    what: str
    do: str
    def __init__(self, field: _Optional[str] = ..., what: _Optional[str] = ..., do: _Optional[str] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("records", "block")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    records: int
    block: bytes
    def __init__(self, records: _Optional[int] = ..., block: _Optional[bytes] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("block",)
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    block: bytes
    def __init__(self, block: _Optional[bytes] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
