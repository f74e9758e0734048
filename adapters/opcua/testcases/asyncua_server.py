"""An OPC UA server that is not node-opcua: values of every kind, with times, status codes and a structure, for asyncua.test.ts."""

import asyncio
import logging
import sys
from datetime import datetime, timezone

from asyncua import Server, ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field

logging.disable(logging.CRITICAL)

# Python's datetime ends at the microsecond, OPC UA at 100 ns: what carries .123456 gets 7 ticks more on the wire.
plain = ua.datetime_to_win_epoch
TICKS = 7


def with_ticks(value):
    return plain(value) + (TICKS if value.microsecond == 123456 else 0)


ua.datetime_to_win_epoch = with_ticks
SOURCE = datetime(2026, 11, 24, 8, 0, 1, 123456, tzinfo=timezone.utc)


async def main(port: int, *before: str) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/dragoman/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for uri in before:
        await server.register_namespace(uri)
    ns = await server.register_namespace("http://candyco/mixer")
    mixer = await server.nodes.objects.add_object(ua.NodeId("Mixer", ns), ua.QualifiedName("Mixer", ns))

    async def add(name, value, kind, **extra):
        node = await mixer.add_variable(ua.NodeId(f"Mixer.{name}", ns), ua.QualifiedName(name, ns), value, kind, **extra)
        return node

    async def add_writable(name, value, kind, **extra):
        await (await add(f"W{name}", value, kind, **extra)).set_writable()

    await add_writable("Double", 0.0, ua.VariantType.Double)
    await add_writable("Float", 0.0, ua.VariantType.Float)
    await add_writable("Int64", 0, ua.VariantType.Int64)
    await add_writable("UInt64", 0, ua.VariantType.UInt64)
    await add_writable("Int16", 0, ua.VariantType.Int16)
    await add_writable("Byte", 0, ua.VariantType.Byte)
    await add_writable("Bool", False, ua.VariantType.Boolean)
    await add_writable("Text", "", ua.VariantType.String)
    await add_writable("Localized", ua.LocalizedText("", ""), ua.VariantType.LocalizedText)
    await add_writable("Guid", ua.uatypes.uuid.UUID(int=0), ua.VariantType.Guid)
    await add_writable("Bytes", b"", ua.VariantType.ByteString)
    await add_writable("Date", SOURCE, ua.VariantType.DateTime)
    await add_writable("Array", [0.0], ua.VariantType.Double)
    # A subtype of Double, known to the standard alone.
    await add_writable("Duration", 0.0, ua.VariantType.Double, datatype=ua.NodeId(ua.ObjectIds.Duration))
    await add_writable("Number", 0, ua.VariantType.Int32, datatype=ua.NodeId(ua.ObjectIds.Number))

    await add("Double", 12.5, ua.VariantType.Double)
    await add("Float", 231.7, ua.VariantType.Float)
    await add("Int64", -9007199254740993, ua.VariantType.Int64)
    await add("UInt64", 18446744073709551615, ua.VariantType.UInt64)
    await add("Int32", -5, ua.VariantType.Int32)
    await add("Byte", 200, ua.VariantType.Byte)
    await add("Bool", True, ua.VariantType.Boolean)
    await add("Text", "Grüße", ua.VariantType.String)
    await add("Localized", ua.LocalizedText("Rührer", "de"), ua.VariantType.LocalizedText)
    await add("Qualified", ua.QualifiedName("Toffee", ns), ua.VariantType.QualifiedName)
    await add("Guid", ua.uatypes.uuid.UUID("12345678-1234-5678-1234-567812345678"), ua.VariantType.Guid)
    await add("Bytes", b"\x00\xff\x10", ua.VariantType.ByteString)
    await add("Date", SOURCE, ua.VariantType.DateTime)
    await add("Node", ua.NodeId("Mixer.Double", ns), ua.VariantType.NodeId)
    await add("Array", [1.5, 2.5, 3.5, 4.5], ua.VariantType.Double)
    await add("BigArray", [1, -2], ua.VariantType.Int64)

    timed = await add("Timed", 1.0, ua.VariantType.Double)
    await timed.write_value(ua.DataValue(ua.Variant(42.0, ua.VariantType.Double), SourceTimestamp=SOURCE, ServerTimestamp=SOURCE))
    limited = await add("Limited", 1.0, ua.VariantType.Double)
    # Good, with info type DataValue and "low limited".
    await limited.write_value(ua.DataValue(ua.Variant(7.0, ua.VariantType.Double), StatusCode=ua.StatusCode(0x00000500), SourceTimestamp=SOURCE))
    broken = await add("Broken", 1.0, ua.VariantType.Double)
    await broken.write_value(ua.DataValue(ua.Variant(7.0, ua.VariantType.Double), StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure), SourceTimestamp=SOURCE))
    doubtful = await add("Doubtful", 1.0, ua.VariantType.Double)
    await doubtful.write_value(
        ua.DataValue(ua.Variant(8.0, ua.VariantType.Double), StatusCode=ua.StatusCode(ua.StatusCodes.UncertainSubNormal), SourceTimestamp=SOURCE)
    )

    await new_enum(server, ns, "Phase", ["idle", "mixing"])
    await new_struct(
        server,
        ns,
        "Motor",
        [
            new_struct_field("Speed", ua.VariantType.Double),
            new_struct_field("Batch", ua.VariantType.UInt64),
            new_struct_field("Currents", ua.VariantType.Float, array=True),
        ],
    )
    await server.load_data_type_definitions()
    await add("Motor", ua.Motor(Speed=96.5, Batch=1311768468603649775, Currents=[1.5, 2.7, 3.25]), ua.VariantType.ExtensionObject)
    counter = await add("Counter", 0, ua.VariantType.UInt32)

    async with server:
        print(f"ready {port}", flush=True)
        count = 0
        while True:
            await asyncio.sleep(0.2)
            count += 1
            await counter.write_value(ua.Variant(count, ua.VariantType.UInt32))


asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
