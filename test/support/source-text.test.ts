import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, importsOf } from './source-text.ts';

const hidden: readonly (readonly [what: string, source: string])[] = [
  ['a line comment', 'a(); // WORD'],
  ['a block comment', 'a(/* WORD\n WORD */);'],
  ['a string', `a('WORD', "it's WORD");`],
  ['an escaped quote', `a('\\' WORD');`],
  ['a template', `a(\`WORD \${b} WORD\`);`],
  ['a template within a template', `a(\`x \${b(\`WORD \${c} WORD\`)} WORD\`);`],
  ['an object within a template', `a(\`x \${b({ c: 1 })} WORD\`);`],
  ['a regular expression', 'const a = /WORD["\'`/]/g;'],
  ['a slash in a class of a regular expression', 'a(/[/]WORD/);'],
  ['a comment marker in a string', `a('/*'); /* WORD */ b('*/');`],
  ['a dollar sign in a template', 'a(`$WORD $$WORD`);'],
];

for (const [what, source] of hidden) {
  test(`${what} is no code`, () => {
    const code = codeOf(source);
    assert.doesNotMatch(code, /WORD/);
    assert.equal(code.length, source.length);
    assert.equal(codeOf(`${source}\nWORD`).endsWith('\nWORD'), true, 'and code goes on after it');
  });
}

test('a division is no regular expression', () => {
  assert.match(codeOf('const a = b / WORD / c; d(e[0] / WORD / 2); f() / WORD / 1;'), /WORD.*WORD.*WORD/);
});

test('a hole of a template is code', () => {
  assert.match(codeOf(`a(\`text \${WORD({ b: \`\${c}\` })} text\`);`), /WORD/);
});

test('imports are found with their lines, names and kinds, and nothing else is taken for one', () => {
  const source = `import { a, type B, c as d } from './one.ts';
import type { E } from './two.ts';
import { type F } from './three.ts';
import * as four from './four.ts';
import five, { six } from './five.ts';
import './bare.ts';
export * from './star.ts';
export { g } from "./again.ts";
// import { x } from './comment.ts';
const text = "import { x } from './string.ts'";
const lazy = await import('./lazy.ts');
const computed = await import(\`./\${name}.ts\`);
export const from = import.meta.url;
`;
  const found = importsOf(source).map(({ line, specifier, typeOnly, names, whole }) => [
    line,
    specifier,
    typeOnly ? 'type' : 'value',
    whole ? 'whole' : names.join(),
  ]);
  assert.deepEqual(found, [
    [1, './one.ts', 'value', 'a,B,c'],
    [2, './two.ts', 'type', 'E'],
    [3, './three.ts', 'type', 'F'],
    [4, './four.ts', 'value', 'whole'],
    [5, './five.ts', 'value', 'whole'],
    [6, './bare.ts', 'value', ''],
    [7, './star.ts', 'value', 'whole'],
    [8, './again.ts', 'value', 'g'],
    [11, './lazy.ts', 'value', 'whole'],
    [12, null, 'value', 'whole'],
  ]);
});
