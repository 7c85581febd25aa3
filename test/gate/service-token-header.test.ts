import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reason } from '../../src/gate/decide.ts';
import { tokenIn } from '../support/forge.ts';
import { type HeaderLine, withToken } from '../support/gate-questions.ts';
import { type Gated, type GatedApplication, gatedOnBothDatabases } from '../support/gated.ts';
import {
  answersTo,
  createRobot,
  forRobots,
  oneHeader,
  type Robot,
  twoHeaders,
} from '../support/service-tokens.ts';

/* A service token as one JSON object in a header of the application's choice (reference §5). */

const ID = 'cf-access-client-id';
const SECRET = 'cf-access-client-secret';

/** What stands in the header and is no service token of ours, as far as anyone can tell. */
function others({ clientId, secret }: Robot): string[] {
  const whole = oneHeader({ clientId, secret });
  return [
    '',
    'Bearer abc',
    `Bearer ${whole}`,
    `${clientId}:${secret}`,
    `[${whole}]`,
    `"${whole.replaceAll('"', '\\"')}"`,
    '{}',
    '{',
    '}',
    '{{}}',
    `${whole.slice(0, -1)}`,
    `${whole}}`,
    `${whole} ${whole}`,
    `${whole},${whole}`,
    `{"__proto__":${whole}}`,
    `{"constructor":{"prototype":${whole}}}`,
    `{"token":${whole}}`,
    `{"${ID}":{"${ID}":"${clientId}"},"${SECRET}":["${secret}"]}`,
    `{"${ID}":["${clientId}"],"${SECRET}":["${secret}"]}`,
    `{"${ID}":1,"${SECRET}":true}`,
    `{"${ID}":null,"${SECRET}":null}`,
    `{"CF-Access-Client-Id":"${clientId}","CF-Access-Client-Secret":"${secret}"}`,
    `{'${ID}':'${clientId}','${SECRET}':'${secret}'}`,
    `{"${ID}":"${clientId}","${SECRET}":"${secret}","pad":"${'x'.repeat(10_000)}"}`,
    `${'{"a":'.repeat(150)}${whole}${'}'.repeat(150)}`,
    `${'['.repeat(1000)}`,
  ];
}

/** What says that it is a service token, and is not one that is admitted. */
function broken({ clientId, secret }: Robot): [string, Reason][] {
  return [
    [`{"${ID}":"${clientId}"}`, 'credential_invalid'],
    [`{"${SECRET}":"${secret}"}`, 'credential_invalid'],
    [`{"${ID}":"","${SECRET}":"${secret}"}`, 'credential_invalid'],
    [`{"${ID}":"${clientId}","${SECRET}":""}`, 'credential_invalid'],
    [`{"${ID}":"${clientId}","${SECRET}":["${secret}"]}`, 'credential_invalid'],
    [`{"${ID}":"${clientId}","__proto__":{"${SECRET}":"${secret}"}}`, 'credential_invalid'],
    [`{"${ID}":"${clientId}","${SECRET}":"${secret}x"}`, 'service_token_unknown'],
    [`{"${ID}":"${clientId}","${SECRET}":"${secret}","${SECRET}":"x"}`, 'service_token_unknown'],
    [`{"${ID}":"__proto__","${SECRET}":"${secret}"}`, 'service_token_unknown'],
    [`{"${ID}":"${clientId}\\u0000","${SECRET}":"${secret}"}`, 'service_token_unknown'],
    [`{"${ID}":"${clientId}","${SECRET}":"\\ud800"}`, 'service_token_unknown'],
  ];
}

async function begin(world: Gated, name: string, header: string | null = 'Authorization') {
  const robot = await createRobot(world);
  const application = await world.createApplication(`${name}.localhost:${new URL(world.site).port}`, {
    policies: [forRobots(robot), { name: 'All', decision: 'allow', include: [{ everyone: {} }] }],
    ...(header === null ? {} : { read_service_tokens_from_header: header }),
  });
  return { robot, application };
}

async function seen(world: Gated, application: GatedApplication, headers: readonly HeaderLine[]) {
  const { statuses, reason } = await answersTo(world, application, headers);
  return [statuses, reason];
}

const UNKNOWN = [401, 302];

gatedOnBothDatabases('a service token in one header', (world) => {
  test('is admitted in the header that the application names, in any case of its name, and in no other', async () => {
    const { robot, application } = await begin(world(), 'one', 'X-Robot-Token');
    const json = oneHeader(robot);
    const spaced = JSON.stringify(JSON.parse(json), null, 1).replaceAll('\n', ' ');
    const more = JSON.stringify({ ...(JSON.parse(json) as object), more: [1] });
    for (const [name, text] of [
      ['x-robot-token', json],
      ['X-ROBOT-TOKEN', json],
      ['x-robot-token', spaced],
      ['x-robot-token', more],
    ] as const) {
      assert.deepEqual(await seen(world(), application, [[name, text]]), [[200, 200], 'policy_allow'], text);
    }
    for (const name of ['authorization', 'x-robot-token-2', 'x_robot_token', 'x-robot', ID]) {
      const reason = name === ID ? 'credential_invalid' : 'no_credential';
      assert.deepEqual(await seen(world(), application, [[name, json]]), [UNKNOWN, reason], name);
    }
    const none = await begin(world(), 'two', null);
    const headers: HeaderLine[] = [['authorization', oneHeader(none.robot)]];
    assert.deepEqual(await seen(world(), none.application, headers), [UNKNOWN, 'no_credential']);
  });

  test('is read from no other text than one object with both parts', async () => {
    const { robot, application } = await begin(world(), 'forms');
    for (const text of others(robot)) {
      const headers: HeaderLine[] = [['authorization', text]];
      assert.deepEqual(
        await seen(world(), application, headers),
        [UNKNOWN, 'no_credential'],
        text.slice(0, 80),
      );
    }
    for (const [text, reason] of broken(robot)) {
      const headers: HeaderLine[] = [['authorization', text]];
      assert.deepEqual(await seen(world(), application, headers), [UNKNOWN, reason], text.slice(0, 80));
    }
    assert.deepEqual(await seen(world(), application, [['authorization', oneHeader(robot)]]), [
      [200, 200],
      'policy_allow',
    ]);
  });

  test('that comes twice is none', async () => {
    const { robot, application } = await begin(world(), 'twice');
    const line: HeaderLine = ['authorization', oneHeader(robot)];
    for (const headers of [
      [line, line],
      [line, ['Authorization', '']],
      [['Authorization', 'Bearer x'], line],
    ] as HeaderLine[][]) {
      assert.deepEqual(await seen(world(), application, headers), [UNKNOWN, 'no_credential']);
    }
  });

  test('beside another credential is one too many', async () => {
    const { robot, application } = await begin(world(), 'beside');
    const token = tokenIn(
      await world().signedIn(world().person(), { site: application.site }),
      application.site,
    );
    const line: HeaderLine = ['authorization', oneHeader(robot)];
    for (const headers of [
      [withToken(token), line],
      [['cf-access-token', token] as const, line],
      [...twoHeaders(robot), line],
      [[ID, robot.clientId] as const, line],
    ]) {
      assert.deepEqual(await seen(world(), application, headers), [[403, 403], 'several_credentials']);
    }
  });

  test('leaves the header to the application where it holds something else, and people alone', async () => {
    const { application } = await begin(world(), 'people');
    const token = tokenIn(
      await world().signedIn(world().person(), { site: application.site }),
      application.site,
    );
    for (const text of ['Bearer abc', 'Basic eDp5', '{}', '{"a":1}']) {
      const headers: HeaderLine[] = [withToken(token), ['authorization', text]];
      assert.deepEqual(await seen(world(), application, headers), [[200, 200], 'policy_allow'], text);
    }
  });
});
