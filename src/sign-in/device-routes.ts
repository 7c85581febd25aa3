import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SECOND } from '../kernel/clock.ts';
import { ApiError } from '../kernel/errors.ts';
import type { Parsed } from '../kernel/result.ts';
import { type DeviceProof, PROOF_HEADER } from '../protocol/device-proof.ts';
import { type Answer, json } from './answers.ts';
import { ENROLMENT_FOR, POLL_EVERY } from './device-enrolments.ts';
import { readEnrolment, readReport } from './device-input.ts';
import { DeviceProblem, problemAnswer } from './device-problem.ts';
import type { Team } from './directory.ts';
import { PREFIX } from './request.ts';
import type { SignIn } from './service.ts';
import { showUserCode } from './user-code.ts';

export interface DeviceRoutesOptions {
  readonly signIn: SignIn;
  readonly teamOf: (host: string) => Team | null;
  readonly addressOf: (request: FastifyRequest) => string;
  /** Counts a request of an address; throws beyond its limit. */
  readonly limit: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  /** Told why a device, or the person who answers one, was refused. */
  readonly onDeviceRefused: (reason: string, requestId: string) => void;
}

/** What every endpoint of a device is given: whose team domain it is, and that the device has proven the request. */
interface Proven {
  readonly team: Team;
  readonly proof: DeviceProof;
  readonly request: FastifyRequest;
}

/** A device says little of itself. */
const BODY_LIMIT = 8 * 1024;
const A_YEAR = 'max-age=31536000';
const JSON_TYPE = /^application\/json\s*(?:;|$)/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * What devices ask of the team domain, after RFC 8628: enrolment, whether somebody said yes, who they are, and what
 * they say of themselves. Each is authenticated by a device proof of the request; refusals are RFC 6749 §5.2.
 */
export async function addDeviceRoutes(app: FastifyInstance, options: DeviceRoutesOptions): Promise<void> {
  await app.register(async (scope) => {
    acceptText(scope);
    scope.setErrorHandler(async (error, request, reply) => {
      const isNews = error instanceof DeviceProblem && error.reason !== 'pending';
      if (isNews) options.onDeviceRefused(error.reason, request.id);
      return send(reply, refusalOf(error));
    });
    const route = (method: 'GET' | 'POST', path: string, tell: (proven: Proven) => Promise<Answer>) =>
      scope.route({
        method,
        url: `${PREFIX}/device/${path}`,
        schema: { hide: true },
        config: { open: 'devices prove each request with their key' },
        bodyLimit: BODY_LIMIT,
        exposeHeadRoute: false,
        onRequest: options.limit,
        handler: (request, reply) => visit(options, tell, request, reply),
      });
    route('POST', 'enrollments', (proven) => enroll(options, proven));
    route('POST', 'token', (proven) => token(options, proven));
    route('GET', 'session', (proven) => session(options, proven));
    route('POST', 'report', (proven) => report(options, proven));
  });
}

function acceptText(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  for (const type of [JSON_TYPE, FORM_TYPE]) {
    scope.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, bytes: Buffer, done) => {
      try {
        done(null, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
      } catch {
        done(new DeviceProblem('invalid_request', 'the body is not UTF-8'));
      }
    });
  }
}

async function visit(
  { signIn, teamOf }: DeviceRoutesOptions,
  tell: (proven: Proven) => Promise<Answer>,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const team = teamOf(request.headers.host?.toLowerCase() ?? '');
  if (!team || !request.url.startsWith('/')) return reply.callNotFound();
  if (signIn.scheme === 'https') reply.header('strict-transport-security', A_YEAR);
  const url = signIn.issuerOf(team) + request.url;
  const header = request.headers[PROOF_HEADER];
  const proof = signIn.devices.prove({ header, method: request.method, url });
  return send(reply, await tell({ team, proof, request }));
}

function send(reply: FastifyReply, { status, headers, body }: Answer) {
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  return reply.code(status).send(body);
}

/** Ours, or what the listener refused before; anything else is a fault, which is told and noted as everywhere. */
function refusalOf(error: unknown): Answer {
  if (error instanceof DeviceProblem) return problemAnswer(error);
  const status = error instanceof ApiError ? error.status : statusOf(error);
  if (status === null || status >= 500) throw error;
  const { message } = error as Error;
  const answer = json(status, {
    error: status === 429 ? 'temporarily_unavailable' : 'invalid_request',
    error_description: status === 413 ? 'the body is too large' : message,
    reason: status === 429 ? 'too_many' : 'invalid_request',
  });
  return error instanceof ApiError ? { ...answer, headers: { ...error.headers, ...answer.headers } } : answer;
}

function statusOf(error: unknown): number | null {
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 ? statusCode : null;
}

async function enroll({ signIn, addressOf }: DeviceRoutesOptions, { team, proof, request }: Proven) {
  const asked = valueIn(readEnrolment(jsonOf(request)));
  const begun = await signIn.devices.begin(team, { proof, asked, ip: addressOf(request) });
  const page = `${signIn.issuerOf(team)}${PREFIX}/device`;
  const userCode = showUserCode(begun.userCode);
  return json(200, {
    device_code: begun.deviceCode,
    user_code: userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?${new URLSearchParams({ user_code: userCode })}`,
    expires_in: ENROLMENT_FOR / SECOND,
    interval: POLL_EVERY / SECOND,
  });
}

async function token({ signIn }: DeviceRoutesOptions, { team, proof, request }: Proven) {
  const deviceCode = readDeviceCode(request);
  const device = await signIn.devices.poll(team, { proof, deviceCode });
  return json(200, {
    registration_id: device.id,
    device_id: device.device_id,
    email: device.email,
    session_expires_at: device.session_ends_at,
    team: team.organization.name,
    token_type: 'portcullis-device',
  });
}

async function session({ signIn }: DeviceRoutesOptions, { team, proof }: Proven) {
  const { device, isSignedIn } = await signIn.devices.identify(team, proof);
  return json(200, {
    registration_id: device.id,
    device_id: device.device_id,
    device_name: device.device_name,
    user_id: device.user_id,
    email: device.email,
    session_expires_at: device.session_ends_at,
    signed_in: isSignedIn,
    team: team.organization.name,
  });
}

async function report({ signIn, addressOf }: DeviceRoutesOptions, { team, proof, request }: Proven) {
  const said = valueIn(readReport(jsonOf(request)));
  await signIn.devices.report(team, { proof, report: said, ip: addressOf(request) });
  return json(200, { reported: true });
}

/** What RFC 8628 §3.4 asks for, as JSON or as a form; parameters that are not known are passed over. */
function readDeviceCode(request: FastifyRequest): string {
  const isForm = FORM_TYPE.test(request.headers['content-type'] ?? '');
  const given = isForm ? formOf(String(request.body ?? '')) : jsonOf(request);
  const of = (name: string): unknown =>
    given !== null && typeof given === 'object' && Object.hasOwn(given, name)
      ? (given as Record<string, unknown>)[name]
      : undefined;
  const [grantType, deviceCode] = [of('grant_type'), of('device_code')];
  if (typeof grantType === 'string' && grantType !== GRANT_TYPE)
    throw new DeviceProblem('unsupported_grant_type');
  if (
    grantType !== GRANT_TYPE ||
    typeof deviceCode !== 'string' ||
    deviceCode === '' ||
    deviceCode.length > 200
  )
    throw new DeviceProblem('invalid_request', `needs grant_type "${GRANT_TYPE}" and device_code`);
  return deviceCode;
}

function formOf(text: string): Record<string, string> {
  const pairs = [...new URLSearchParams(text)];
  const names = new Set(pairs.map(([name]) => name));
  if (names.size !== pairs.length)
    throw new DeviceProblem('invalid_request', 'a parameter came more than once');
  return Object.fromEntries(pairs);
}

function jsonOf({ headers, body }: FastifyRequest): unknown {
  if (typeof body !== 'string' || !JSON_TYPE.test(headers['content-type'] ?? ''))
    throw new DeviceProblem('invalid_request', 'the body must be application/json');
  try {
    return JSON.parse(body);
  } catch {
    throw new DeviceProblem('invalid_request', 'the body is not valid JSON');
  }
}

function valueIn<T>(reading: Parsed<T>): T {
  if (reading.ok) return reading.value;
  const text = reading.problems
    .slice(0, 5)
    .map(({ pointer, message }) => `${pointer || 'the body'} ${message}`);
  throw new DeviceProblem('invalid_request', text.join('; '));
}
