// The service. Its routes are in the manifest beside this file; paths come
// without the root of the service, as the manifest says with `strip`.
//
// This is plain wasi:http 0.2: the standard's `incoming-handler` is exported,
// its `types` are called, and there is nothing between.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';

function answer(path) {
  const greeted = path.match(/^\/hello\/([^/]+)$/);
  if (greeted) {
    return [200, { message: `Hello ${decodeURIComponent(greeted[1])}` }];
  }
  return [404, { error: `there is nothing at ${path}` }];
}

export const incomingHandler = {
  handle(request, out) {
    const [path] = (request.pathWithQuery() ?? '/').split('?');
    const [status, content] = answer(path);
    send(out, status, `${JSON.stringify(content)}\n`);
    // A request would stay in the host's tables until the garbage collector
    // finds it.
    request[Symbol.dispose]();
  },
};

function send(out, status, text) {
  const bytes = encode(text);
  const headers = new Fields();
  headers.append('content-type', encode('application/json'));
  headers.append('content-length', encode(`${bytes.length}`));
  const response = new OutgoingResponse(headers);
  response.setStatusCode(status);
  const body = response.body();
  // From here on the host sends the head while the body is being written.
  ResponseOutparam.set(out, { tag: 'ok', val: response });
  const stream = body.write();
  // One such call takes 4096 bytes at most.
  for (let begin = 0; begin < bytes.length; begin += 4096) {
    stream.blockingWriteAndFlush(bytes.subarray(begin, begin + 4096));
  }
  // A stream has to go before the body it belongs to ends.
  stream[Symbol.dispose]();
  OutgoingBody.finish(body, undefined);
}

function encode(text) {
  return new TextEncoder().encode(text);
}
