import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import { HOUR, timestamp } from '../../src/kernel/clock.ts';
import type { Gated, GatedApplication } from '../support/gated.ts';
import {
  admits,
  createRobot,
  forRobots,
  oneHeader,
  type Robot,
  twoHeaders,
} from '../support/service-tokens.ts';

/* How the access of a service token ends, for completeness.test.ts. */

type Ending = 'ends' | 'stays';

/** The forms in which a program holds access to an application. */
export const SERVICE_CHANNELS = ['secret', 'former secret', 'single header', 'other service token'] as const;
type ServiceChannel = (typeof SERVICE_CHANNELS)[number];

interface ServicePath {
  readonly operations: readonly string[];
  readonly does: (held: HeldByService) => Promise<unknown>;
  readonly cells: Readonly<Record<ServiceChannel, Ending>>;
}

const itself: ServicePath['cells'] = {
  secret: 'ends',
  'former secret': 'ends',
  'single header': 'ends',
  'other service token': 'stays',
};
const formerOnly: ServicePath['cells'] = { ...itself, secret: 'stays', 'single header': 'stays' };
const none: ServicePath['cells'] = { ...formerOnly, 'former secret': 'stays' };

export const SERVICE_PATHS: Readonly<Record<string, ServicePath>> = {
  'the service token is deleted': {
    operations: ['access-service-tokens-delete-a-service-token'],
    does: ({ world: { sdk, account_id }, robot }) =>
      sdk.zeroTrust.access.serviceTokens.delete(robot.id, { account_id }),
    cells: itself,
  },
  'the service token is disabled': {
    operations: ['access-service-tokens-update-a-service-token'],
    does: ({ world: { sdk, account_id }, robot }) =>
      sdk.zeroTrust.access.serviceTokens.update(robot.id, { account_id, enabled: false }),
    cells: itself,
  },
  'the service token is rotated': {
    operations: ['access-service-tokens-rotate-a-service-token'],
    does: ({ world: { sdk, account_id }, robot }) =>
      sdk.zeroTrust.access.serviceTokens.rotate(robot.id, { account_id }),
    cells: itself,
  },
  'the service token gets a higher version': {
    operations: ['access-service-tokens-update-a-service-token'],
    does: ({ world: { sdk, account_id }, robot }) =>
      sdk.zeroTrust.access.serviceTokens.update(robot.id, { account_id, client_secret_version: 9 }),
    cells: itself,
  },
  'the service token is rotated with a grace': {
    operations: ['access-service-tokens-rotate-a-service-token'],
    does: ({ world, robot }) => rotateWithGrace(world, robot),
    cells: formerOnly,
  },
  'the grace of the former secret is ended': {
    operations: ['access-service-tokens-update-a-service-token'],
    does: ({ world: { sdk, account_id }, robot }) =>
      sdk.zeroTrust.access.serviceTokens.update(robot.id, {
        account_id,
        previous_client_secret_expires_at: '2020-01-01T00:00:00Z',
      }),
    cells: formerOnly,
  },
  'the policy names it no more': {
    operations: ['access-policies-update-an-access-app-policy'],
    does: async ({ world: { sdk, account_id }, application, policyId, other }) =>
      sdk.zeroTrust.access.applications.policies.update(policyId, {
        app_id: application.id,
        account_id,
        ...forRobots(other),
      } as Cloudflare.ZeroTrust.Access.Applications.PolicyUpdateParams),
    cells: itself,
  },
  'the application is deleted': {
    operations: ['access-applications-delete-an-access-application'],
    does: ({ world: { sdk, account_id }, application }) =>
      sdk.zeroTrust.access.applications.delete(application.id, { account_id }),
    cells: { ...itself, 'other service token': 'ends' },
  },
  'the tokens of the application are revoked, of which it is none': {
    operations: ['access-applications-revoke-service-tokens'],
    does: ({ world: { sdk, account_id }, application }) =>
      sdk.zeroTrust.access.applications.revokeTokens(application.id, { account_id }),
    cells: none,
  },
};

/** A service token that is admitted in every form at once. */
interface HeldByService {
  readonly world: Gated;
  readonly robot: Robot;
  readonly other: Robot;
  readonly application: GatedApplication;
  readonly policyId: string;
  readonly alive: Readonly<Record<ServiceChannel, () => Promise<boolean>>>;
}

export async function holdAsService(world: Gated, name: string): Promise<HeldByService> {
  const { sdk, account_id } = world;
  const [former, other] = [await createRobot(world), await createRobot(world)];
  const robot = { ...former, secret: await rotateWithGrace(world, former) };
  const application = await world.createApplication(`${name}.localhost:${new URL(world.site).port}`, {
    policies: [forRobots(robot, other)],
    read_service_tokens_from_header: 'Authorization',
  });
  const policies = await sdk.zeroTrust.access.applications.policies.list(application.id, { account_id });
  return {
    world,
    robot,
    other,
    application,
    policyId: policies.result[0]?.id ?? '',
    alive: {
      secret: () => admits(world, application, twoHeaders(robot)),
      'former secret': () => admits(world, application, twoHeaders(former)),
      'single header': () => admits(world, application, [['authorization', oneHeader(robot)]]),
      'other service token': () => admits(world, application, twoHeaders(other)),
    },
  };
}

/** The new secret; the one before is accepted for another hour. */
async function rotateWithGrace({ sdk, account_id, app }: Gated, { id }: Robot): Promise<string> {
  const until = timestamp(app.clock.now() + HOUR);
  const asked = { account_id, previous_client_secret_expires_at: until };
  const { client_secret } = await sdk.zeroTrust.access.serviceTokens.rotate(id, asked);
  return client_secret ?? assert.fail();
}
