"""Bodies that are bytes, which the generator does not know by itself."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def chunk(ctx, value):
    return bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()


@schemathesis.hook
def map_body(ctx, body):
    """Whole numbers without a point: docs/API.md says so, a JSON Schema cannot."""
    return whole(body)


def whole(value):
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
