"""What the official Python client does with a server: python clients.py SCENARIO BASE_URL KEY [FILE].

Prints one JSON document with what it saw; the checks in k-clients.e2e.test.ts judge it.
"""

import asyncio
import json
import sys
import time

import openai
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI

scenario, base_url, key, *rest = sys.argv[1:]
path = rest[0] if rest else ""
ENDPOINT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


def client(**options):
    return OpenAI(base_url=base_url, api_key=key, **options)


def lines_of(text):
    return sorted(json.loads(line)["custom_id"] for line in text.splitlines())


def sync():
    api = client()
    with open(path, "rb") as stream:
        file = api.files.create(file=stream, purpose="batch")
    batch = api.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={"a": "b"})
    request_id = batch._request_id
    while batch.status not in ENDED:
        time.sleep(0.02)
        batch = api.batches.retrieve(batch.id)
    content = api.files.content(batch.output_file_id)
    deleted = api.files.delete(file.id)
    return {
        "file": file.to_dict(),
        "batch": batch.to_dict(),
        "request_id": request_id,
        "custom_ids": lines_of(content.text),
        "deleted": deleted.deleted,
    }


async def flow():
    async with AsyncOpenAI(base_url=base_url, api_key=key) as api:
        with open(path, "rb") as stream:
            file = await api.files.create(file=stream, purpose="batch")
        batch = await api.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
        while batch.status not in ENDED:
            await asyncio.sleep(0.02)
            batch = await api.batches.retrieve(batch.id)
        content = await api.files.content(batch.output_file_id)
        return {"batch": batch.to_dict(), "custom_ids": lines_of(content.text)}


def curator():
    """Bytes upload, wait_for_processing, and an index into `response` of every output line."""
    api = client()
    with open(path, "rb") as stream:
        file = api.files.create(file=stream.read(), purpose="batch")
    file = api.files.wait_for_processing(file.id)
    batch = api.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
    counts = [batch.request_counts.total]
    while batch.status not in ENDED:
        if batch.status not in ("validating", "in_progress", "finalizing", "cancelling"):
            raise ValueError(f"unknown status {batch.status}")
        counts.append(batch.request_counts.completed)
        time.sleep(0.02)
        batch = api.batches.retrieve(batch.id)
    codes = [json.loads(line)["response"]["status_code"] for line in api.files.content(batch.output_file_id).text.splitlines()]
    return {"filename": file.filename, "status": batch.status, "codes": codes}


def expiry():
    with open(path, "rb") as stream:
        file = client().files.create(
            file=stream, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
    return {"lives": file.expires_at - file.created_at}


def pages():
    return {"ids": [batch.id for batch in client().batches.list(limit=10)]}


def errors():
    api = client()
    seen = {}
    for name, ask in {
        "no batch": lambda: api.batches.retrieve("batch_doesnotexist"),
        "no file": lambda: api.files.content("file-doesnotexist"),
        "bad endpoint": lambda: api.batches.create(input_file_id="file-x", endpoint="/v1/nope", completion_window="24h"),
        "bad key": lambda: OpenAI(base_url=base_url, api_key="sk-wrong").batches.list(),
    }.items():
        try:
            ask()
            seen[name] = "no error"
        except openai.APIStatusError as error:
            seen[name] = {"class": type(error).__name__, "code": error.code, "param": error.param, "has id": bool(error.request_id)}
    return seen


def cancel():
    """Cancels a running batch (empty body, content-type application/json), then one that is completed; counts the calls of the second."""
    calls = []
    api = client(http_client=DefaultHttpxClient(event_hooks={"request": [lambda request: calls.append(str(request.url))]}))
    with open(path, "rb") as stream:
        file = api.files.create(file=stream, purpose="batch")
    create = lambda: api.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
    cancelled = api.batches.cancel(create().id)
    batch = create()
    while batch.status not in ENDED:
        time.sleep(0.02)
        batch = api.batches.retrieve(batch.id)
    calls.clear()
    try:
        api.batches.cancel(batch.id)
        conflict = None
    except openai.ConflictError as error:
        conflict = error.message
    return {"first": cancelled.status, "conflict": conflict, "calls": len(calls)}


def timeout():
    """One create against a server that does not answer in time. Says each POST as it goes out."""

    def told(request):
        print(request.method, request.headers.get("x-stainless-retry-count"), flush=True)

    api = client(timeout=0.5, http_client=DefaultHttpxClient(event_hooks={"request": [told]}))
    batch = api.batches.create(input_file_id=path, endpoint=ENDPOINT, completion_window="24h")
    return {"id": batch.id}


def asynchronous():
    return asyncio.run(flow())


print(
    json.dumps(
        {
            "sync": sync,
            "async": asynchronous,
            "curator": curator,
            "expiry": expiry,
            "pages": pages,
            "errors": errors,
            "cancel": cancel,
            "timeout": timeout,
        }[scenario]()
    )
)
