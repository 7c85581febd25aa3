#!/usr/bin/env node
// Parses on old Node versions, so that they can be told which one is needed. Nothing may be imported before that.

const needed = 24;
const present = process.versions.node;

if (Number(present.split('.')[0]) < needed) {
  process.stderr.write(`portcullis needs Node.js ${needed} or newer; this is Node.js ${present}\n`);
  process.exitCode = 1;
} else {
  import('node:fs').then(({ existsSync }) => {
    // A checkout runs its sources, so that a build left behind is never run in their place; the package has none.
    const hasSources = existsSync(new URL('../src/main.ts', import.meta.url));
    return import(hasSources ? '../src/main.ts' : '../dist/main.js');
  });
}
