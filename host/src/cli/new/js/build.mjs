// Builds the module beside the manifest: `npm run build`.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const { picolet } = JSON.parse(await readFile(here('package.json'), 'utf8'));

const { component } = await componentize({
  sourcePath: here('service.js'),
  witPath: here('wit'),
  worldName: 'service',
  // Every feature left out is imports that no host has to grant. Take a name off
  // this list before service.js uses it: without `clocks` a timer traps, and
  // without `random` every start draws the same numbers.
  disableFeatures: ['clocks', 'random'],
});

// Whoever watches never sees half a module.
await writeFile(here(`.${picolet.module}`), component);
await rename(here(`.${picolet.module}`), here(picolet.module));
