// Builds hello-js.wasm. `npm ci` once, then `node build.mjs OUT`, which writes it
// into the directory OUT.
//
// The component carries a whole JavaScript engine that has already read
// hello.js, which is why it has 13 MB and yet starts at once.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const [out] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node build.mjs OUT');
  process.exit(2);
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const { component } = await componentize({
  sourcePath: here('hello.js'),
  witPath: here('wit'),
  worldName: 'service',
  // Every feature left out is imports that no host has to grant. Take a name off
  // this list before hello.js uses it: without `stdio` nothing is logged, without
  // `clocks` a timer traps, and without `random` every start draws the same
  // numbers. `http` has to stay: it is also what the handler is made of.
  disableFeatures: ['stdio', 'clocks', 'random'],
});

await mkdir(out, { recursive: true });
const file = join(out, 'hello-js.wasm');
await writeFile(file, component);
console.log(`${file}: ${component.length} bytes`);
