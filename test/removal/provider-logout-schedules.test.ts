import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OidcProvider } from '../../src/access/identity-providers/opened.ts';
import { endByProvider } from '../../src/sign-in/backchannel-logout.ts';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import { databases } from '../support/postgres.ts';
import { present, WHOLE } from './mint-race.ts';
import { interleave, openStage, type Player } from './stepper.ts';
import { type Person, person, type Steps } from './steps.ts';
import { createWorld, type World } from './world.ts';

/*
 * A provider that ends its session, or all of a person's, against the end of a sign-in from that session, statement by
 * statement. Whichever is first: once the logout has returned, no session of that sign-in stands.
 */

type By = 'sid' | 'sub';

/** The logout; `jti` and the session at the provider are as unique as the person. */
function end({ control }: Steps, { accountId, providerId }: World, { by, who }: { by: By; who: Person }) {
  const provider = { id: providerId, issuer: `http://${providerId}` } as OidcProvider;
  const named = { sub: by === 'sub' ? who.subject : null, sid: by === 'sid' ? `sid ${who.subject}` : null };
  const asked = { ip: '127.0.0.1', requestId: 'r' };
  return endByProvider(control, { accountId, provider, order: { jti: who.subject, ...named }, ...asked });
}

async function sessionsOf({ database }: World, { subject }: Person): Promise<number> {
  const rows = await database.reader.query
    .selectFrom('sessions')
    .select('nonce')
    .where('provider_sid', '=', `sid ${subject}`)
    .execute();
  return rows.length;
}

/** One schedule; what is wrong after it, and how many statements the first had. */
async function play(
  world: World,
  [minter, ender]: readonly [Player, Player],
  { by, who, endLeads, lead }: { by: By; who: Person; endLeads: boolean; lead: number },
): Promise<{ violation: string | null; total: number }> {
  const started = await world.steps.start(who);
  const sid = `sid ${who.subject}`;
  const minting = minter.play(() => world.over(minter.database).finish(started, { sid }));
  const ending = ender.play(() => end(world.over(ender.database), world, { by, who }));
  await interleave(endLeads ? [ender, minter] : [minter, ender], { lead, reply: WHOLE });
  const [minted, ended] = await Promise.all([minting, ending]);
  const total = (endLeads ? ender : minter).statements;
  if ('error' in ended) throw ended.error;
  if ('error' in minted) {
    if (!(minted.error instanceof SignInRefused)) throw minted.error;
    const { reason } = minted.error;
    return { violation: reason === 'superseded' ? null : `it was refused as ${reason}`, total };
  }
  if (world.stands(minted.value)) return { violation: 'a session stands', total };
  if ((await sessionsOf(world, who)) > 0) return { violation: 'a session is in the database', total };
  return { violation: null, total };
}

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('a logout at the provider against a sign-in, statement by statement (postgres)', () => {
    for (const by of ['sid', 'sub'] as const) {
      for (const past of ['is not known yet', 'has signed in before'] as const) {
        test(`by ${by}, of one who ${past}`, async () => {
          await using database = await create();
          await using world = await createWorld(database);
          await using stage = await openStage(present(database.url ?? undefined));
          const players = [stage.player('mint'), stage.player('logout')] as const;
          const violations: string[] = [];
          let schedules = 0;
          for (const endLeads of [false, true]) {
            for (let lead = 0, total = 1; lead <= total; lead += 1) {
              schedules += 1;
              const who = person(`person-${schedules}`);
              if (past === 'has signed in before') await world.signIn(who);
              const played = await play(world, players, { by, who, endLeads, lead });
              const first = endLeads ? 'logout' : 'sign-in';
              if (played.violation) violations.push(`${first} ahead by ${lead}: ${played.violation}`);
              total = played.total;
            }
          }
          assert.deepEqual(violations, []);
          assert.ok(schedules > 10, 'there were statements to come between');
        });
      }
    }
  });
}
