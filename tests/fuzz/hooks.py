"""What the fuzzer must not do: have the host ask strangers, or read without end."""

import schemathesis
from hypothesis import strategies

# Nobody listens there, and it is nobody else's.
NOWHERE = "http://127.0.0.1:9"
# What makes an answer last for as long as it is read.
ENDLESS = {"watch": ("", "true"), "follow": ("", "true")}

# Uploads are bytes of types that the fuzzer does not know.
schemathesis.openapi.media_type("application/wasm", strategies.binary(max_size=64))
MANIFESTS = strategies.sampled_from([b"", b"traffic = 7\n"])
schemathesis.openapi.media_type("application/toml", MANIFESTS)


@schemathesis.hook
def before_call(context, case, kwargs):
    record = case.body.get("record") if isinstance(case.body, dict) else None
    domain = record.get("domain") if isinstance(record, dict) else None
    if isinstance(domain, str) and domain.startswith(("http://", "https://")):
        case.body = {**case.body, "record": {**record, "domain": NOWHERE}}
    for name, endless in ENDLESS.items():
        if isinstance(case.query, dict) and case.query.get(name) in endless:
            case.query = {**case.query, name: "false"}
