"""A peer: pymodbus, reading the same blocks one at a time.

usage: pymodbus-loop.py REGISTERS PERIOD_MS PORT...
"""

import os
import signal
import sys
import time

from pymodbus.client import ModbusTcpClient

registers, period = int(sys.argv[1]), int(sys.argv[2]) / 1000
machines = [ModbusTcpClient("127.0.0.1", port=int(port)) for port in sys.argv[3:]]
count = 0


def report(_signal, _frame):
    os.write(1, f"count {count}\n".encode())


signal.signal(signal.SIGUSR2, report)
for machine in machines:
    if not machine.connect():
        sys.exit("cannot connect")
due = time.monotonic()
ready = False
while True:
    for machine in machines:
        for start in range(0, registers, 125):
            quantity = min(125, registers - start)
            reply = machine.read_holding_registers(start, quantity, slave=1)
            if reply.isError():
                sys.exit(str(reply))
            count += quantity
    if not ready:
        os.write(1, b"ready\n")
        ready = True
    due += period
    while (wait := due - time.monotonic()) > 0:
        time.sleep(wait)
    due = max(due, time.monotonic() - period)
