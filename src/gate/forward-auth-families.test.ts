import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from './answers.ts';
import { type Family, FORWARD_AUTH_PATH, familyOf } from './forward-auth-families.ts';

const ENDPOINTS = ['', '/nginx', '/haproxy', '/envoy/'].map((end) => FORWARD_AUTH_PATH + end);

const nginx = familyAt(`${FORWARD_AUTH_PATH}/nginx`);

function familyAt(target: string): Family {
  return familyOf(target) ?? assert.fail(`no family at ${target}`);
}

test('each endpoint has a family of its own, with or without a query', () => {
  const families = ENDPOINTS.map(familyAt);
  assert.equal(new Set(families).size, ENDPOINTS.length);
  assert.deepEqual(
    ENDPOINTS.map((target) => familyAt(`${target}?x=/nginx`)),
    families,
  );
});

for (const target of [
  '',
  '/',
  `${FORWARD_AUTH_PATH}/`,
  `${FORWARD_AUTH_PATH}/envoy`,
  `${FORWARD_AUTH_PATH}/envoyx/`,
  `${FORWARD_AUTH_PATH}/nginx/`,
  `${FORWARD_AUTH_PATH}//nginx`,
  `${FORWARD_AUTH_PATH}x`,
  `${FORWARD_AUTH_PATH}#`,
  `/${FORWARD_AUTH_PATH}`,
  FORWARD_AUTH_PATH.toUpperCase(),
  `http://portcullis${FORWARD_AUTH_PATH}`,
]) {
  test(`nobody's endpoint is ${JSON.stringify(target)}`, () => assert.equal(familyOf(target), null));
}

test('no family makes an admission of what was none, or loses one', () => {
  for (const target of ENDPOINTS) {
    for (let status = 200; status < 600; status += 1) {
      const said = familyAt(target).carry(answerOf(status, { location: 'http://team.example/' }));
      assert.equal(said.status === 200, status === 200, `${target} ${status}`);
      if (status !== 200) assert.ok(said.status >= 201);
    }
  }
});

test('nginx is told 200, 401 or 403 and nothing else', () => {
  for (let status = 200; status < 600; status += 1) {
    for (const headers of [{}, { location: 'http://team.example/', 'set-cookie': ['a=b'] }]) {
      const said = nginx.carry(answerOf(status, headers));
      assert.ok([200, 401, 403].includes(said.status), `${status} became ${said.status}`);
    }
  }
});

test('nginx is told of a redirect by a header of a 401, and of no way with any other refusal', () => {
  const headers = { location: 'http://team.example/', 'set-cookie': ['a=b'] };
  assert.deepEqual(nginx.carry(answerOf(302, headers)), { status: 401, headers, body: '' });
  for (const status of [300, 400, 401, 403, 404, 503]) {
    assert.equal(nginx.carry(answerOf(status, headers)).headers.location, undefined, `${status}`);
  }
});

function answerOf(status: number, headers: Answer['headers']): Answer {
  return { status, headers, body: 'a page' };
}
