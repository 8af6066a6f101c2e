"""Bodies that are bytes, which the generator does not know by itself."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def chunk(ctx, value):
    return bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()
