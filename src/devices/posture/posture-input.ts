import type { Static } from 'typebox';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { below, own, type Problem, quote } from '../../kernel/result.ts';
import { parseVersion } from '../../policy/posture.ts';
import type { DeviceFacts, OsVersionInput, PostureRuleState } from '../../protocol/state.ts';
import { Platform, type PostureRuleInput } from './contract.ts';

export type PostureInput = Static<typeof PostureRuleInput>;
type Type = PostureRuleState['type'];
type Platforms = PostureRuleState['platforms'];

/** What there is to evaluate of a rule, without its id and name. */
export type PostureTest = Omit<PostureRuleState, 'id' | 'name'>;

/** Members of `input`, of each type; those with a star must be there. */
const MEMBERS: Readonly<Record<Type, readonly string[]>> = {
  warp: [],
  os_version: [
    'operating_system',
    'operator*',
    'version*',
    'os_version_extra',
    'os_distro_name',
    'os_distro_revision',
  ],
  serial_number: ['id*'],
  unique_client_id: ['id*', 'operating_system'],
};

/** The type of gateway list that a type of rule looks into. */
export const LIST_TYPES: Readonly<Partial<Record<Type, string>>> = {
  serial_number: 'SERIAL',
  unique_client_id: 'DEVICE',
};

/** Those that Cloudflare has and that ask for what no device tells us. */
const NOT_HERE: ReadonlySet<string> = new Set([
  'antivirus',
  'application',
  'carbonblack',
  'client_certificate',
  'client_certificate_v2',
  'crowdstrike_s2s',
  'custom_s2s',
  'disk_encryption',
  'domain_joined',
  'file',
  'firewall',
  'gateway',
  'intune',
  'kolide',
  'sentinelone',
  'sentinelone_s2s',
  'tanium',
  'tanium_s2s',
  'workspace_one',
]);

const OPERATORS: readonly string[] = ['<', '<=', '>', '>=', '=='] satisfies OsVersionInput['operator'][];
const PLATFORMS: readonly string[] = Platform.anyOf.map((one) => one.const);

/** A posture rule as it will be evaluated; a 400 with pointers for what cannot be. Whether the list is there is not asked. */
export function readPostureInput(input: PostureInput): PostureTest {
  const { type } = input;
  if (!isType(type)) throw wrongType(type);
  const given = input.input ?? {};
  const problems = [
    ...timeProblems(input),
    ...memberProblems(type, given),
    ...Object.entries(given).flatMap(([name, value]) => valueProblems(name, value)),
  ];
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20));
  return {
    type,
    platforms: platformsOf(input),
    os_version: type === 'os_version' ? toOsVersion(given) : null,
    list_id: LIST_TYPES[type] === undefined ? null : (own(given, 'id') as string).toLowerCase(),
  };
}

function isType(type: string): type is Type {
  return Object.hasOwn(MEMBERS, type);
}

function wrongType(type: string) {
  const pointer = '/type';
  if (NOT_HERE.has(type))
    return refusal('notSupported', { detail: `posture rules of the type ${type}`, pointer });
  return invalidInput([{ pointer, message: `must be one of ${Object.keys(MEMBERS).join(', ')}` }]);
}

/** Rules are evaluated at every request, on what the device told last: nothing is polled, and no result is kept. */
function timeProblems(input: PostureInput): Problem[] {
  return (['schedule', 'expiration'] as const).flatMap((name) =>
    input[name] === undefined || input[name] === ''
      ? []
      : [{ pointer: `/${name}`, message: 'cannot be honoured: rules are evaluated at each request' }],
  );
}

function memberProblems(type: Type, given: Readonly<Record<string, string>>): Problem[] {
  const known = MEMBERS[type].map((name) => name.replace('*', ''));
  const needed = MEMBERS[type].filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  const missing = needed.filter((name) => !Object.hasOwn(given, name));
  const strange = Object.keys(given).filter((name) => !known.includes(name));
  return [
    ...missing.map((name) => ({ pointer: `/input/${name}`, message: 'is required' })),
    ...strange.map((name) => ({
      pointer: below('/input', name),
      message: `is nothing that a rule of the type ${type} checks`,
    })),
  ];
}

function valueProblems(name: string, value: string): Problem[] {
  const pointer = below('/input', name);
  const wrong = (message: string) => [{ pointer, message }];
  if (name === 'operator' && !OPERATORS.includes(value))
    return wrong(`must be one of ${OPERATORS.join(', ')}`);
  if (name === 'version' && parseVersion(value) === null)
    return wrong(`${quote(value)} is no version: numbers with dots between them`);
  if (name === 'operating_system' && !PLATFORMS.includes(value))
    return wrong(`must be one of ${PLATFORMS.join(', ')}`);
  if (name === 'id' && value === '') return wrong('must be the id of a list');
  return [];
}

/** Those of `match`, and of them the one of `operating_system`; empty for all. */
function platformsOf({ match = [], input = {} }: PostureInput): Platforms {
  const named = match.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
  // One without a platform is for all.
  const matched = named.length < match.length ? [] : [...new Set(named)].sort();
  const system = own(input, 'operating_system') as DeviceFacts['type'] | undefined;
  if (system === undefined) return matched;
  if (matched.length === 0 || matched.includes(system)) return [system];
  const message = `${quote(system)} is none of the platforms of \`match\`: no device could meet the rule`;
  throw invalidInput([{ pointer: '/input/operating_system', message }]);
}

function toOsVersion(given: Readonly<Record<string, string>>): OsVersionInput {
  const text = (name: string) => (own(given, name) as string | undefined) || null;
  return {
    operator: given.operator as OsVersionInput['operator'],
    version: given.version ?? '',
    os_version_extra: text('os_version_extra'),
    os_distro_name: text('os_distro_name'),
    os_distro_revision: text('os_distro_revision'),
  };
}
