"""Counts what arrives at its input and says the number at its output, with the unmodified Azure SDK for Python."""
import asyncio
import json
import signal

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient


async def main():
    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()
    count = 0

    async def take(message):
        nonlocal count
        count += 1
        told = Message(json.dumps({"count": count, "input": message.input_name}), content_type="application/json", content_encoding="utf-8")
        await client.send_message_to_output(told, "counts")

    client.on_message_received = take
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("counting", flush=True)
    await stop.wait()
    await client.shutdown()


asyncio.run(main())
