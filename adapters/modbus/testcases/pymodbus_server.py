"""A Modbus server that we did not write: pymodbus, with values laid out by Python's struct.

usage: pymodbus_server.py tcp|rtu-over-tcp PORT  |  pymodbus_server.py rtu|ascii DEVICE
Units 1 and 2; unit 2 holds its own number. Prints "ready" once it serves.
"""

import asyncio
import struct
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import async_io
from pymodbus.transaction import ModbusAsciiFramer, ModbusRtuFramer, ModbusSocketFramer

FRAMERS = {"tcp": ModbusSocketFramer, "rtu-over-tcp": ModbusRtuFramer, "rtu": ModbusRtuFramer, "ascii": ModbusAsciiFramer}


def words(form, value):
    """Registers of a big-endian value."""
    data = struct.pack(">" + form, value)
    return list(struct.unpack(">%dH" % (len(data) // 2), data))


def swapped(registers):
    return [((r & 0xFF) << 8) | (r >> 8) for r in registers]


def holding():
    table = {}

    def put(at, registers):
        for i, register in enumerate(registers):
            table[at + i] = register

    put(100, words("f", 123.456)[::-1])  # CDAB
    put(102, [0xFFFF])
    put(103, words("h", -40))
    put(110, words("Q", 1311768468603649775))
    put(114, words("q", -9007199254740993)[::-1])  # GHEFCDAB
    put(120, words("d", 2.718281828459045))
    put(124, swapped(words("i", -123456789)))  # BADC
    put(126, swapped(words("I", 3123456789))[::-1])  # DCBA
    put(130, list(struct.unpack(">4H", b"TOFFEE\0\0")))
    put(140, [0x1234, 0x5678])  # BCD
    put(142, [123, 4567])  # mod10k
    # 200 to 205 without 203: a hole.
    put(200, [200, 201, 202])
    put(204, [204, 205])
    put(300, range(300, 600))
    return ModbusSparseDataBlock(table)


def unit(registers):
    bits = ModbusSparseDataBlock({i: i % 3 == 0 for i in range(0, 40)})
    inputs = ModbusSparseDataBlock({i: i for i in range(0, 50)})
    return ModbusSlaveContext(co=bits, di=bits, ir=inputs, hr=registers, zero_mode=True)


async def main(framing, where):
    context = ModbusServerContext(
        slaves={1: unit(holding()), 2: unit(ModbusSparseDataBlock({0: 2}))},
        single=False,
    )
    if framing in ("tcp", "rtu-over-tcp"):
        server = async_io.ModbusTcpServer(context, framer=FRAMERS[framing], address=("127.0.0.1", int(where)), allow_reuse_address=True)
        task = asyncio.create_task(server.serve_forever())
        await server.serving
    else:
        server = async_io.ModbusSerialServer(context, framer=FRAMERS[framing], port=where, baudrate=19200)
        await server.start()
        task = asyncio.create_task(server.serve_forever())
    print("ready", flush=True)
    await task


asyncio.run(main(sys.argv[1], sys.argv[2]))
