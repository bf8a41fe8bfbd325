"""OpenAI's asynchronous Python client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY, then: python python_async.py FILE"""

import asyncio
import pathlib
import sys

from openai import AsyncOpenAI


async def main() -> None:
    async with AsyncOpenAI() as client:
        file = await client.files.create(file=pathlib.Path(sys.argv[1]), purpose="batch")
        print("file", file.id)

        request = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch, second = await asyncio.gather(client.batches.create(**request), client.batches.create(**request))
        print("batch", batch.id)

        second = await client.batches.cancel(second.id)
        print("cancel", second.id, second.status)

        while batch.status in ("validating", "in_progress", "finalizing"):
            await asyncio.sleep(0.5)
            batch = await client.batches.retrieve(batch.id)
        print("status", batch.status)

        listed = 0
        async for _ in client.batches.list(limit=2):
            listed += 1
        print("listed", listed)

        for id in (batch.output_file_id, batch.error_file_id):
            if id:
                print((await client.files.content(id)).text, end="")


asyncio.run(main())
