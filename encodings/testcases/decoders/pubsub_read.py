"""Reads OPC UA PubSub messages in JSON (Part 14 7.2.5, Part 6 5.4.2), strictly, with the types and status codes of asyncua.

One message a line on stdin, in order; metadata comes before the data it describes. On stdout one object a line.
Written from the specification, without a look at the encoder.
"""
import base64
import json
import re
import sys
import uuid

from asyncua import ua

writers = {}
seen = set()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z\Z")
CODES = {name: code for name, code in vars(ua.StatusCodes).items() if isinstance(code, int)}


def fail(why):
    raise SystemExit("not Part 14: " + why)


def pairs(items):
    if len({key for key, _ in items}) != len(items):
        fail("a key stands twice: " + str([key for key, _ in items]))
    return dict(items)


def only(what, given, required, optional=()):
    missing = [key for key in required if key not in given]
    foreign = [key for key in given if key not in required and key not in optional]
    if missing or foreign:
        fail(f"{what}: missing {missing}, foreign {foreign}")


def uint(value, bits, what):
    if type(value) is not int or not 0 <= value < 2**bits:
        fail(f"{what} {value!r}")
    return value


def time(value):
    if not TIME.match(value):
        fail("time " + value)
    return value


INTEGERS = {"SByte": (-(2**7), 2**7), "Byte": (0, 2**8), "Int16": (-(2**15), 2**15), "UInt16": (0, 2**16),
            "Int32": (-(2**31), 2**31), "UInt32": (0, 2**32)}
LONGS = {"Int64": (-(2**63), 2**63), "UInt64": (0, 2**64)}


def scalar(value, kind):
    name = kind.name
    if name == "Variant":
        return value
    if name == "Boolean" and type(value) is bool:
        return value
    if name in INTEGERS and type(value) is int and INTEGERS[name][0] <= value < INTEGERS[name][1]:
        return value
    if name in LONGS and type(value) is str and str(int(value)) == value and LONGS[name][0] <= int(value) < LONGS[name][1]:
        return value
    if name in ("Float", "Double") and type(value) in (int, float):
        return value
    if name == "String" and type(value) is str:
        return value
    if name == "ByteString" and type(value) is str:
        base64.b64decode(value, validate=True)
        return value
    if name == "DateTime" and type(value) is str:
        return time(value)
    fail(f"{value!r} is no {name}")


def value_of(value, field):
    kind, rank = field
    if rank == 1:
        return [scalar(each, kind) for each in value]
    return scalar(value, kind)


def metadata(message):
    only("metadata", message, ["MessageId", "MessageType", "PublisherId", "DataSetWriterId", "MetaData"],
         ["DataSetWriterName", "WriterGroupName", "Timestamp"])
    time(message["Timestamp"])
    writer = uint(message["DataSetWriterId"], 16, "DataSetWriterId")
    meta = message["MetaData"]
    only("MetaData", meta, ["Name", "Fields", "ConfigurationVersion"], ["Description", "DataSetClassId", "Namespaces"])
    fields, units, ids = {}, {}, set()
    for field in meta["Fields"]:
        only("field", field, ["Name", "BuiltInType", "DataType", "ValueRank"], ["Description", "DataSetFieldId", "Properties", "FieldFlags"])
        kind = ua.VariantType(field["BuiltInType"])
        if field["DataType"] != {"Id": kind.value}:
            fail("DataType")
        if field["ValueRank"] not in (-1, 1):
            fail("ValueRank")
        if "DataSetFieldId" in field:
            ids.add(uuid.UUID(field["DataSetFieldId"]))
        fields[field["Name"]] = (kind, field["ValueRank"])
        for each in field.get("Properties", []):
            only("property", each, ["Key", "Value"])
            if each["Key"] == {"Name": "EngineeringUnits"}:
                only("Variant", each["Value"], ["Type", "Body"])
                if ua.VariantType(each["Value"]["Type"]) != ua.VariantType.ExtensionObject:
                    fail("EngineeringUnits is no ExtensionObject")
                body = each["Value"]["Body"]
                if body["TypeId"] != {"Id": ua.ObjectIds.EUInformation}:
                    fail("TypeId")
                only("EUInformation", body["Body"], ["NamespaceUri", "UnitId", "DisplayName"], ["Description"])
                units[field["Name"]] = body["Body"]["UnitId"]
    if len(fields) != len(meta["Fields"]) or (ids and len(ids) != len(fields)):
        fail("fields of one name or id")
    version = meta["ConfigurationVersion"]
    only("ConfigurationVersion", version, ["MajorVersion", "MinorVersion"])
    writers[writer] = (message.get("DataSetWriterName"), fields, version)
    return {"metadata": message.get("DataSetWriterName"), "fields": {name: kind.name for name, (kind, _) in fields.items()}, "units": units,
            "version": [uint(version["MajorVersion"], 32, "version"), uint(version["MinorVersion"], 32, "version")]}


def status(given, value):
    if given is None:
        return "Good"
    only("StatusCode", given, ["Code", "Symbol"])
    code = uint(given["Code"], 32, "Code")
    named = CODES.get(given["Symbol"])
    if named is None or named != code & 0xFFFF0000:
        fail(f"{given['Symbol']} is not {code:#x}")
    if ua.StatusCode(code).is_good() and code == 0:
        fail("Good is left out")
    return given["Symbol"]


def data(message):
    only("NetworkMessage", message, ["MessageId", "MessageType", "PublisherId", "Messages"], ["WriterGroupName", "DataSetClassId"])
    out = []
    for part in message["Messages"]:
        only("DataSetMessage", part,
             ["DataSetWriterId", "SequenceNumber", "MetaDataVersion", "Timestamp", "MessageType", "Payload"], ["DataSetWriterName", "Status"])
        writer = uint(part["DataSetWriterId"], 16, "DataSetWriterId")
        if writer not in writers:
            fail(f"data of writer {writer} before its metadata")
        name, fields, version = writers[writer]
        if name != part.get("DataSetWriterName") or version != part["MetaDataVersion"]:
            fail("data of another version than the metadata")
        if part["MessageType"] not in ("ua-keyframe", "ua-deltaframe", "ua-event", "ua-keepalive"):
            fail(part["MessageType"])
        time(part["Timestamp"])
        read = {}
        for field, given in part["Payload"].items():
            if field not in fields:
                fail("no field " + field)
            if type(given) is not dict:
                read[field] = {"value": value_of(given, fields[field])}
                continue
            only("DataValue", given, [], ["Value", "StatusCode", "SourceTimestamp", "ServerTimestamp"])
            symbol = status(given.get("StatusCode"), given.get("Value"))
            read[field] = {"status": symbol, "source": time(given["SourceTimestamp"]), "server": time(given["ServerTimestamp"])}
            if "Value" in given:
                read[field]["value"] = value_of(given["Value"], fields[field])
        out.append({"writer": name, "sequence": uint(part["SequenceNumber"], 32, "SequenceNumber"), "type": part["MessageType"], "fields": read})
    return {"data": out}


for line in sys.stdin:
    message = json.loads(line, object_pairs_hook=pairs, parse_constant=fail)
    if message["MessageId"] in seen:
        fail("MessageId twice")
    seen.add(message["MessageId"])
    print(json.dumps(metadata(message) if message["MessageType"] == "ua-metadata" else data(message)))
