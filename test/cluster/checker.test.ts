import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check, type Final, recoveries } from './checker.ts';
import type { Credential, HistoryEvent, RemovalEvent, RequestEvent, TickEvent } from './history.ts';

/* Histories made by hand. Each of the wrong ones differs from the right one in one thing, and must be found wrong. */

const credential: Credential = {
  kind: 'credential',
  id: 'ana',
  isHealthy: false,
  born: 20,
  roots: [{ of: 'person ana', since: 10 }],
  rev: [1, 5],
};
const removal: RemovalEvent = {
  kind: 'removal',
  id: 1,
  what: 'delete user',
  subject: { type: 'user', id: 'u1' },
  root: 'person ana',
  call: 100,
  returned: 200,
  status: 202,
  attempts: [{ node: 'node-1', begin: 100, end: 200, status: 202 }],
};
const admitted: RequestEvent = {
  kind: 'request',
  credential: 'ana',
  gate: 'gate-1',
  begin: 50,
  end: 60,
  status: 200,
  isAdmitted: true,
  isFirst: true,
};
const tick: TickEvent = {
  kind: 'tick',
  credential: 'ana',
  gate: 'gate-1',
  exchange: 1,
  channel: 'stream',
  sent: 90,
  received: 91,
};
const healthy: Credential = { ...credential, id: 'eva', isHealthy: true, roots: [] };
const audit = [
  { position: 4, action: 'x', resourceId: 'y', tokenId: null },
  { position: 5, action: 'x', resourceId: 'y', tokenId: null },
  { position: 6, action: 'user.delete', resourceId: 'u1', tokenId: null },
];
const final: Final = {
  head: { epoch: 1, position: 6 },
  audit,
  revocations: [{ position: 6, type: 'user', id: 'u1' }],
  living: new Set(['u2']),
  sessions: [{ userId: 'u2', position: 5 }],
};
const good: HistoryEvent[] = [credential, healthy, admitted, tick, removal];
const act = { kind: 'act', actor: 't1', node: 'node-1', begin: 10, end: 20, status: 200 } as const;
const noMoreToken: RemovalEvent = {
  ...removal,
  what: 'delete API token',
  subject: { type: 'token', id: 't1' },
};
const tokenAudit = [
  ...audit,
  { position: 7, action: 'token.delete', resourceId: 't1', tokenId: null },
  { position: 8, action: 'user.delete', resourceId: 'u9', tokenId: 't1' },
];

describe('the checker', () => {
  test('finds nothing in a history that is right, and says what it looked at', () => {
    const verdicts = check({ events: good, final, lease: 1000, network: 100 });
    assert.deepEqual(
      verdicts.flatMap(({ broken }) => broken),
      [],
    );
    const checked = verdicts.filter((one) => one.checked > 0).map(({ invariant }) => invariant);
    assert.deepEqual(checked, [1, 2, 3, 7, 9]);
  });

  const wrong: readonly (readonly [name: string, invariant: number, events: HistoryEvent[], Final?])[] = [
    ['a request begun after the return and admitted', 1, [{ ...admitted, begin: 201, end: 202 }]],
    ['a tick sent after the return', 1, [{ ...tick, sent: 201, received: 202 }]],
    ['a tick that left long after the return', 1, [{ ...tick, sent: 90, received: 1300 }]],
    [
      'one admitted after the first of two answers',
      10,
      [
        { ...removal, id: 2, returned: 150 },
        { ...admitted, begin: 160, end: 170 },
      ],
    ],
    ['a token that reads beyond the head', 2, [{ ...credential, id: 'b', roots: [], rev: [1, 7] }]],
    ['a token that reads nothing whole', 2, [{ ...credential, id: 'b', roots: [], rev: [1, 1.5] }]],
    ['a token that reads as far as the removal of its parent', 3, [{ ...credential, id: 'b', rev: [1, 6] }]],
    ['a removal that is not in the feed', 7, [], { ...final, revocations: [] }],
    ['a user who exists after all', 7, [], { ...final, living: new Set(['u1']) }],
    ['a session that outlived its user', 7, [], { ...final, sessions: [{ userId: 'u1', position: 5 }] }],
    [
      'a position without an audit entry',
      7,
      [],
      { ...final, audit: audit.filter((one) => one.position !== 5) },
    ],
    [
      'an act at a position after the end of its authority',
      8,
      [noMoreToken, act],
      { ...final, audit: tokenAudit },
    ],
    [
      'an act begun after the end of its authority',
      8,
      [noMoreToken, { ...act, begin: 300 }],
      {
        ...final,
        audit: tokenAudit.slice(0, 4),
      },
    ],
    [
      'a removal that took longer than a lease',
      9,
      [{ ...removal, attempts: [{ node: 'node-1', begin: 100, end: 1500, status: 202 }] }],
    ],
    ['a removal that never returned', 9, [{ ...removal, returned: null }]],
    [
      'somebody refused at a gate that nothing was done to',
      9,
      [{ ...admitted, credential: 'eva', isAdmitted: false, status: 503 }],
    ],
    [
      'somebody refused long after the fault was over',
      9,
      [
        { kind: 'fault', name: 'f', touches: ['gate-1'], begin: 1, healed: 40 },
        { ...admitted, credential: 'eva', isAdmitted: false, status: 503, begin: 10_050, end: 10_051 },
      ],
    ],
  ];
  for (const [name, invariant, events, ends = final] of wrong) {
    test(`finds ${name}`, () => {
      const verdicts = check({ events: [...good, ...events], final: ends, lease: 1000, network: 100 });
      const broken = verdicts.filter((one) => one.broken.length > 0).map((one) => one.invariant);
      assert.ok(broken.includes(invariant), JSON.stringify(verdicts));
    });
  }

  test('lets a faulty gate refuse while it is faulty, and soon after', () => {
    const fault = { kind: 'fault', name: 'f', touches: ['gate-1'], begin: 1, healed: 40 } as const;
    const refused = { ...admitted, credential: 'eva', isAdmitted: false, status: 503 };
    const verdicts = check({ events: [...good, fault, refused], final, lease: 1000, network: 100 });
    assert.deepEqual(
      verdicts.flatMap(({ broken }) => broken),
      [],
    );
    assert.deepEqual(recoveries([...good, fault, refused]), [{ name: 'f', milliseconds: 20 }]);
  });

  test('lets somebody in who signed in after the removal was called', () => {
    const again = { ...credential, id: 'again', roots: [{ of: 'person ana', since: 150 }] };
    const events = [...good, again, { ...admitted, credential: 'again', begin: 300, end: 301 }];
    const verdicts = check({ events, final, lease: 1000, network: 100 });
    assert.deepEqual(
      verdicts.flatMap(({ broken }) => broken),
      [],
    );
  });
});
