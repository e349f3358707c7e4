// A stock client of socket.io against a host with the guests `shop` and `calc`,
// each in the namespace of its name: client.mjs URL

import { strict as assert } from "node:assert";
import { QUICK, acknowledged, checkFault, comesBack, connected, heard, io, say, script, until }
  from "./kit.mjs";

async function checkCalls(socket) {
  assert.deepEqual(await socket.emitWithAck("shop.add", { a: 40, b: 2 }), { sum: 42 });
  assert.deepEqual(await acknowledged(socket, "add", { a: 1, b: 2 }), [{ sum: 3 }, 200]);
  const wanted = { kind: "a bolt/ü", id: 7, currency: "eur", count: 2 };
  assert.deepEqual(await acknowledged(socket, "shop.item", wanted), [wanted, 200]);
  const removed = await acknowledged(socket, "shop.remove", { kind: "bolt", id: 7 });
  assert.deepEqual(removed, [null, 204]);
  // What is no JSON comes as what it is.
  assert.deepEqual(await acknowledged(socket, "shop.text"), ["not JSON", 200]);
  assert.deepEqual(await acknowledged(socket, "shop.nothing"), [null, 204]);
  const [bytes, status] = await acknowledged(socket, "shop.bytes");
  assert.equal(status, 200);
  assert.deepEqual(Buffer.from(bytes), Buffer.from([0, 159, 146, 150]));
  const who = await socket.emitWithAck("shop.who", {});
  assert.equal(typeof who.socket, "string");
  assert.notEqual(who.request_id, "");
  assert.equal(who.caller, null);
  // Many at once, and every answer to its question.
  const asked = Array.from({ length: 50 }, (_, a) => socket.emitWithAck("add", { a, b: 1 }));
  const sums = (await Promise.all(asked)).map(({ sum }) => sum);
  assert.deepEqual(sums, Array.from({ length: 50 }, (_, a) => a + 1));
}

async function checkFaults(socket) {
  const [answer, status] = await acknowledged(socket, "shop.buy", {});
  checkFault(answer, 409, "sold-out");
  assert.equal(status, 409);
  checkFault(await socket.emitWithAck("shop.nowhere", {}), 404, "no-such-method");
  checkFault(await socket.emitWithAck("nothing.of.it", {}), 404, "no-such-method");
  checkFault(await socket.emitWithAck("calc.add1", { a: 1, b: 2 }), 404, "no-such-method");
  checkFault(await socket.emitWithAck("shop.add", { a: "x" }), 400, "bad-json");
  checkFault(await socket.emitWithAck("shop.trap", {}), 500, "trapped");
  // Nobody waits for this one, so it comes as an event.
  const fault = heard(socket, "fault");
  socket.emit("shop.buy", {});
  checkFault((await fault)[0], 409, "sold-out");
}

async function checkEvents(url, socket, options) {
  const other = await connected(`${url}/shop`, options);
  const both = [heard(socket, "rates.usd"), heard(other, "rates.usd")];
  // What is not exposed, published first, comes to nobody.
  const seen = [];
  other.onAny((event) => seen.push(event));
  await socket.emitWithAck("shop.whisper", { what: "usd" });
  await socket.emitWithAck("shop.rate", { what: "usd", rate: 1.15 });
  for (const data of await Promise.all(both)) {
    assert.deepEqual(data, [{ rate: 1.15 }]);
  }
  assert.deepEqual(seen, ["rates.usd"]);
  other.close();
}

async function checkRooms(url, socket, options) {
  const name = `room-${Math.random()}`;
  const other = await connected(`${url}/shop`, options);
  for (const member of [socket, other]) {
    assert.deepEqual(await acknowledged(member, "shop.join", { name }), [null, 204]);
  }
  const both = [heard(socket, "told"), heard(other, "told")];
  await socket.emitWithAck("shop.tell", { name, text: "hello" });
  for (const data of await Promise.all(both)) {
    assert.deepEqual(data, [{ text: "hello" }]);
  }
  const own = [];
  socket.on("told", (data) => own.push(data));
  const others = heard(other, "told");
  await socket.emitWithAck("shop.tell_others", { name, text: "you there" });
  assert.deepEqual(await others, [{ text: "you there" }]);
  await other.emitWithAck("shop.leave", { name });
  const none = [];
  other.on("told", (data) => none.push(data));
  await other.emitWithAck("shop.tell", { name, text: "bye" });
  await until("the one who stayed to hear it", () => own.length === 1);
  assert.deepEqual([own, none], [[{ text: "bye" }], []]);
  socket.off("told");
  const message = heard(socket, "message");
  await socket.emitWithAck("shop.tell_me", { text: "just me" });
  assert.deepEqual(await message, ["just me"]);
  other.close();
}

async function checkTransport(url, transports) {
  const options = { transports };
  const socket = await connected(`${url}/shop`, options);
  const wanted = transports.at(-1);
  await until(`the transport ${wanted}`, () => socket.io.engine.transport.name === wanted);
  await checkCalls(socket);
  await checkFaults(socket);
  await checkEvents(url, socket, options);
  await checkRooms(url, socket, options);
  socket.close();
}

async function checkNamespaces(url) {
  const refused = io(`${url}/nowhere`, { forceNew: true, reconnection: false });
  const [error] = await heard(refused, "connect_error");
  assert(error instanceof Error);
  refused.close();
  // Two namespaces share a connection, and nothing else.
  const shop = io(`${url}/shop`);
  const calc = io(`${url}/calc`);
  await Promise.all([heard(shop, "connect"), heard(calc, "connect")]);
  assert.equal(shop.io, calc.io);
  assert.equal((await calc.emitWithAck("calc.add1", { a: 40, b: 2 })).result, 42);
  checkFault(await calc.emitWithAck("shop.add", { a: 1, b: 2 }), 404, "no-such-method");
  const seen = [];
  calc.onAny((event) => seen.push(event));
  const rate = heard(shop, "rates.eur");
  await shop.emitWithAck("shop.rate", { what: "eur", rate: 1 });
  await rate;
  await calc.emitWithAck("calc.add2", { a: 1, b: 2 });
  assert.deepEqual(seen, []);
  shop.close();
  calc.close();
}

async function checkComesBack(url) {
  const socket = await connected(`${url}/shop`, QUICK);
  await comesBack(socket);
  assert.deepEqual(await socket.emitWithAck("shop.add", { a: 1, b: 1 }), { sum: 2 });
  socket.close();
}

await script(async (url) => {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    await checkTransport(url, transports);
    say(`done with ${transports.join(" and ")}`);
  }
  await checkNamespaces(url);
  await checkComesBack(url);
});
