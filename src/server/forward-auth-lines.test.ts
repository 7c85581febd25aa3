import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { forwardAuthLines } from './forward-auth-lines.ts';

const SECRET = '--forward-auth-secret=a secret between the proxy and the gate';

function linesFor(...flags: string[]): string {
  const reading = readConfig(['--listen=127.0.0.1:8787', ...flags], {});
  assert.ok(reading.ok);
  return forwardAuthLines(reading.config).join('\n');
}

test('the start says that forward-auth is off where nobody may ask', () => {
  assert.match(linesFor(), /forward-auth +off: set --trusted-proxy or --forward-auth-secret-file$/);
});

test('the start says where each family of proxies asks, and no secret', () => {
  const said = linesFor(SECRET);
  for (const end of ['', '/nginx', '/haproxy', '/envoy']) {
    assert.match(said, new RegExp(`http://127\\.0\\.0\\.1:8787/portcullis/forward-auth${end}(?:\\s|$)`));
  }
  assert.doesNotMatch(said, /between/);
});

test('the start says that Envoy needs the secret where there is none', () => {
  const said = linesFor('--trusted-proxy=127.0.0.1');
  assert.match(said, /\/portcullis\/forward-auth\/nginx/);
  assert.match(said, /Envoy: off, it needs --forward-auth-secret-file/);
});
