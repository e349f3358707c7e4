// A plain wasi:http 0.2 service in JavaScript: it exports the standard's
// `incoming-handler` and calls the standard's `types`, with nothing between.
//
// The engine also knows `addEventListener('fetch', …)`, which is shorter. But a
// component written that way answers one request and traps on the next, so it
// needs a new instance for every call: `isolation = "call"` in its manifest.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';

const encode = (text) => new TextEncoder().encode(text);

export const incomingHandler = {
  handle(request, out) {
    const [path] = (request.pathWithQuery() ?? '/').split('?');
    const text = encode(`Hello from JavaScript at ${path}\n`);

    const headers = new Fields();
    headers.append('content-type', encode('text/plain'));
    headers.append('content-length', encode(`${text.length}`));
    const response = new OutgoingResponse(headers);
    const body = response.body();
    // From here on the host sends the head while the body is being written.
    ResponseOutparam.set(out, { tag: 'ok', val: response });

    const stream = body.write();
    // One such call takes 4096 bytes at most; a longer text goes in pieces.
    stream.blockingWriteAndFlush(text);
    // A stream has to go before the body it belongs to ends, and a request
    // would stay in the host's tables until the garbage collector finds it.
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
    request[Symbol.dispose]();
  },
};
