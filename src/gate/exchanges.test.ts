import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { applicationState } from '../../test/support/gate-parts.ts';
import type { FeedItem, StateKind, SubjectType } from '../protocol/feed.ts';
import { identitySubject } from '../protocol/feed.ts';
import { type Lease, lockedLease } from '../protocol/lease.ts';
import type { ServiceTokenState, SessionState } from '../protocol/state.ts';
import type { Admitted } from './admission.ts';
import { type CutReason, createExchanges, type Exchange, type Place } from './exchanges.ts';
import type { Question } from './question.ts';
import type { Visitor } from './visitor.ts';

/* Which exchange a feed entry ends, freezes or leaves alone. */

const PERSON = visitorOf('ana');
const ROBOT: Visitor = {
  kind: 'service',
  serviceToken: { id: 'st1', client_id: 'c1' } as ServiceTokenState,
};

describe('a revocation ends', () => {
  for (const [subject, of] of [
    [{ type: 'user', id: 'ana' }, ['ana']],
    [{ type: 'email', id: 'ana@example.com' }, ['ana']],
    [identitySubject({ provider_id: 'p1', issuer: 'i', subject: 'ana' }), ['ana']],
    [{ type: 'session', id: 'session of ana' }, ['ana']],
    [{ type: 'provider', id: 'p1' }, ['ana', 'bob']],
    [{ type: 'application', id: 'wiki' }, ['ana', 'bob']],
    [{ type: 'account', id: 'acme' }, ['ana', 'bob', 'robot']],
    [{ type: 'service_token', id: 'st1' }, ['robot']],
    [{ type: 'user', id: 'nobody' }, []],
    [{ type: 'session', id: 'ana' }, []],
    [{ type: 'registration', id: 'ana' }, []],
  ] as const) {
    test(`by ${subject.type} ${subject.id}: ${of.join(', ') || 'nothing'}`, () => {
      const world = open();
      world.apply({ kind: 'revocation', subject: subject as { type: SubjectType; id: string } });
      assert.deepEqual(world.cut(), Object.fromEntries(of.map((name) => [name, 'revoked'])));
      assert.equal(world.exchanges.size, 3 - of.length);
    });
  }

  test('nothing of another account', () => {
    const world = open();
    const subject = { type: 'user', id: 'ana' } as const;
    world.exchanges.apply({ accountId: 'other', at, items: [{ kind: 'revocation', subject }] });
    assert.deepEqual(world.cut(), {});
  });

  test('what is frozen, and it is never thawed', async () => {
    const world = open();
    world.apply({ kind: 'provider', id: 'p1', state: {} });
    world.apply({ kind: 'revocation', subject: { type: 'user', id: 'ana' } });
    await nextTurn();
    assert.deepEqual(world.calls('ana'), ['freeze', 'cut revoked']);
  });
});

describe('the end of an object ends', () => {
  for (const [kind, id, of] of [
    ['application', 'wiki', ['ana', 'bob', 'robot']],
    ['provider', 'p1', ['ana', 'bob']],
    ['session', 'session of ana', ['ana']],
    ['service_token', 'st1', ['robot']],
    ['key', 'wiki', []],
  ] as const) {
    test(`${kind} ${id}: ${of.join(', ') || 'nothing'}`, () => {
      const world = open();
      world.apply({ kind, id, state: null });
      assert.deepEqual(Object.keys(world.cut()), of);
    });
  }
});

describe('a change', () => {
  for (const kind of ['application', 'organization', 'provider'] as const) {
    test(`of any ${kind} freezes all of its account, and decides them in a later turn`, async () => {
      const world = open({ until: ({ visitor }) => (visitor === ROBOT ? null : 2000) });
      world.apply({ kind, id: 'another', state: {} });
      for (const name of ['ana', 'bob', 'robot']) {
        assert.deepEqual(world.calls(name), ['freeze']);
        assert.equal(world.place(name).mayFlow(), false);
      }
      await nextTurn();
      assert.deepEqual(world.cut(), { robot: 'policy' });
      assert.deepEqual(world.calls('ana'), ['freeze', 'thaw']);
      assert.equal(world.place('ana').mayFlow(), true);
      assert.equal(world.place('robot').mayFlow(), false);
    });
  }

  for (const kind of ['session', 'service_token'] as const satisfies readonly StateKind[]) {
    test(`of a ${kind} is decided in this turn, and of no other`, () => {
      const id = { session: 'session of ana', service_token: 'st1' }[kind];
      const asked: unknown[] = [];
      const world = open({
        until: ({ visitor }) => {
          asked.push(visitor);
          return null;
        },
      });
      world.apply({ kind, id, state: {} });
      assert.deepEqual(asked, [kind === 'session' ? PERSON : ROBOT]);
      assert.deepEqual(Object.values(world.cut()), ['revoked']);
    });
  }

  test('is decided in this turn for what has bytes in a queue, since nobody can hold those back', () => {
    const world = open({ until: () => null, isStill: false });
    world.apply({ kind: 'application', id: 'wiki', state: {} });
    assert.deepEqual(Object.keys(world.cut()), ['ana', 'bob', 'robot']);
  });

  test('of what is queued and still allowed lets it go on in this turn', () => {
    const world = open({ isStill: false });
    world.apply({ kind: 'application', id: 'wiki', state: {} });
    assert.deepEqual(world.calls('ana'), ['freeze', 'thaw']);
    assert.equal(world.place('ana').mayFlow(), true);
  });

  test('brings the end forward: a former secret is good for its grace and no longer', () => {
    const world = open({ until: () => 1500 });
    world.apply({ kind: 'service_token', id: 'st1', state: {} });
    assert.equal(world.place('robot').mayFlow(), true);
    world.setTime(1500);
    assert.equal(world.place('robot').mayFlow(), false);
    world.exchanges.sweep();
    assert.deepEqual(world.cut(), { robot: 'expired' });
  });

  test('of many is decided some at a time, and a second change meanwhile loses none', async () => {
    const world = open({ until: ({ visitor }) => (visitor === ROBOT ? null : 2000) });
    for (let n = 0; n < 1200; n++) world.enter(`more ${n}`, ROBOT);
    world.apply({ kind: 'application', id: 'wiki', state: {} });
    await nextTurn();
    const first = Object.keys(world.cut()).length;
    assert.ok(first > 0 && first < 1201, `${first}`);
    world.apply({ kind: 'application', id: 'wiki', state: {} });
    for (let turn = 0; turn < 40; turn++) await nextTurn();
    assert.equal(Object.keys(world.cut()).length, 1201);
    assert.equal(world.exchanges.size, 2);
    assert.deepEqual(world.calls('ana').at(-1), 'thaw');
  });
});

describe('besides', () => {
  test('a reloaded account is decided in this turn', () => {
    const world = open({ until: ({ visitor }) => (visitor === PERSON ? null : 2000) });
    world.exchanges.reload('acme');
    assert.deepEqual(world.cut(), { ana: 'revoked' });
    world.exchanges.reload('other');
    assert.deepEqual(world.cut(), { ana: 'revoked' });
  });

  test('nothing flows once it is over, before anybody has swept', () => {
    const world = open();
    world.setTime(1999);
    assert.equal(world.place('ana').mayFlow(), true);
    world.setTime(2000);
    assert.equal(world.place('ana').mayFlow(), false);
    assert.deepEqual(world.cut(), {});
    world.exchanges.sweep();
    assert.deepEqual(Object.values(world.cut()), ['expired', 'expired', 'expired']);
  });

  test('what has left is asked nothing any more', () => {
    const world = open();
    world.place('ana').leave();
    world.apply({ kind: 'revocation', subject: { type: 'account', id: 'acme' } });
    world.exchanges.cutAll('stopping');
    assert.deepEqual(world.calls('ana'), []);
    assert.equal(world.exchanges.size, 0);
  });

  test('a fault in one keeps no other open, is told, and the faulty one counts as cut', () => {
    const world = open({ faulty: 'ana' });
    world.apply({ kind: 'revocation', subject: { type: 'account', id: 'acme' } });
    assert.deepEqual(Object.keys(world.cut()), ['bob', 'robot']);
    assert.equal(world.faults.length, 1);
    assert.equal(world.exchanges.size, 0);
  });

  test('what cannot be decided is cut', () => {
    const until = (): never => {
      throw new Error('broken on purpose');
    };
    const world = open({ until, isStill: false });
    world.apply({ kind: 'application', id: 'wiki', state: {} });
    assert.equal(Object.keys(world.cut()).length, 3);
    assert.equal(world.faults.length, 3);
  });

  test('when the server stops, what is upgraded goes first', () => {
    const world = open({ upgraded: 'bob' });
    world.exchanges.cutUpgraded('stopping');
    assert.deepEqual(world.cut(), { bob: 'stopping' });
  });
});

const at = { epoch: 1, position: 9 };

interface Parts {
  readonly until?: (admitted: Admitted) => number | null;
  readonly isStill?: boolean;
  readonly faulty?: string;
  readonly upgraded?: string;
  readonly lease?: Pick<Lease, 'isLive'>;
}

/** Exchanges of ana, bob and a robot, with what each was told. */
function open({ until = () => 2000, isStill = true, faulty, upgraded, lease = lockedLease }: Parts = {}) {
  const time = { now: 1000 };
  const told = new Map<string, string[]>();
  const places = new Map<string, Place>();
  const faults: unknown[] = [];
  const exchanges = createExchanges({
    admittedUntil: (_question, admitted) => until(admitted),
    clock: { now: () => time.now },
    lease,
    onCut: () => {},
    onFault: (fault) => void faults.push(fault),
  });
  const enter = (name: string, visitor: Visitor) => {
    const calls: string[] = [];
    told.set(name, calls);
    const exchange: Exchange = {
      question: {} as Question,
      admitted: admittedAs(visitor),
      isUpgraded: name === upgraded,
      cut: (reason) => {
        if (name === faulty) throw new Error('broken on purpose');
        calls.push(`cut ${reason}`);
      },
      freeze: () => {
        calls.push('freeze');
        return isStill;
      },
      thaw: () => void calls.push('thaw'),
    };
    places.set(name, exchanges.enter(exchange));
  };
  enter('ana', PERSON);
  enter('bob', visitorOf('bob'));
  enter('robot', ROBOT);
  return {
    exchanges,
    faults,
    enter,
    apply: (...items: FeedItem[]) => exchanges.apply({ accountId: 'acme', at, items }),
    setTime: (now: number) => {
      time.now = now;
    },
    place: (name: string) => places.get(name) ?? assert.fail(),
    calls: (name: string) => told.get(name) ?? assert.fail(),
    /** The reason of each that was cut, by name. */
    cut: () =>
      Object.fromEntries(
        [...told].flatMap(([name, calls]) => {
          const last = calls.at(-1) ?? '';
          return last.startsWith('cut ') ? [[name, last.slice(4) as CutReason]] : [];
        }),
      ),
  };
}

function visitorOf(name: string): Visitor {
  const session = {
    nonce: `session of ${name}`,
    user_id: name,
    email: `${name}@example.com`,
    provider_id: 'p1',
    issuer: 'i',
    subject: name,
  };
  return { kind: 'user', session: session as SessionState };
}

function admittedAs(visitor: Visitor): Admitted {
  const account = { accountId: 'acme' };
  const destination = { account, application: applicationState(), upstream: null };
  return { visitor, destination, endsAt: 2000 } as unknown as Admitted;
}
