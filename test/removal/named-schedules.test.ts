import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** How many schedules broke earlier drafts of the protocol; each has to have a test that names it. */
const SCHEDULES = 22;

const NAMED = /\bschedules?:? (\d+(?:(?:, | and | or | to )\d+)*)/g;

/** `6 and 8` is two schedules, `12 to 15` is four. */
function expand(text: string): number[] {
  return text.split(/, | and | or /).flatMap((part) => {
    const [from = 0, to = from] = part.split(' to ').map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
}

test('every schedule that broke an earlier draft is named by a test', () => {
  const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], {
    cwd: new URL('../..', import.meta.url),
  });
  const texts = files.map((file) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
  const named = new Set(
    texts.flatMap((text) => [...text.matchAll(NAMED)]).flatMap(([, list = '']) => expand(list)),
  );
  const all = Array.from({ length: SCHEDULES }, (_, at) => at + 1);
  assert.deepEqual(
    all.filter((schedule) => !named.has(schedule)),
    [],
  );
});
