import type { SamlProvider } from '../access/identity-providers/opened.ts';
import { normaliseEmail } from '../kernel/email.ts';
import type { Claims } from '../policy/rules.ts';
import { shownName } from './proven-identity.ts';
import { invalidAnswer } from './refused.ts';
import type { Element } from './saml-element.ts';
import { keepValues, LONGEST_VALUE } from './told-claims.ts';

/** Names under which providers send an e-mail address where no name was configured. */
const EMAIL_NAMES = [
  'email',
  'mail',
  'urn:oid:0.9.2342.19200300.100.1.3',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress',
];
const NAME_NAMES = [
  'displayName',
  'name',
  'urn:oid:2.16.840.1.113730.3.1.241',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name',
];

/** Attributes as the provider signed them. `null` is a value that is no text. */
type Attributes = ReadonlyMap<string, readonly (string | null)[]>;

/** What an assertion tells of the person beside who they are. */
export interface Described {
  readonly email: string | null;
  readonly name: string | null;
  readonly claims: Claims;
}

/**
 * Reads what the provider's settings name, and nothing else. The e-mail: the configured attribute alone where there is
 * one, else an attribute by one of the usual names, else a NameID that is an address.
 */
export function readAttributes(assertion: Element, provider: SamlProvider, nameId: string): Described {
  const attributes = attributesOf(assertion);
  const first = (names: readonly string[]) => names.find((name) => attributes.has(name));
  const { emailAttribute } = provider;
  const emailName = emailAttribute ?? first(EMAIL_NAMES);
  const name = onlyValue(attributes, first(NAME_NAMES) ?? '');
  return {
    email: emailName === undefined ? addressOf(nameId) : onlyValue(attributes, emailName),
    name: name === null ? null : shownName(name),
    claims: keepValues(
      provider.attributes,
      (of) => attributes.get(of)?.map((value) => readValue(of, value)) ?? [],
    ),
  };
}

/** An attribute that comes twice has the values of both. */
function attributesOf(assertion: Element): Attributes {
  const attributes = new Map<string, (string | null)[]>();
  for (const attribute of assertion
    .all('AttributeStatement')
    .flatMap((statement) => statement.all('Attribute'))) {
    const name = attribute.attribute('Name');
    if (name === null) continue;
    const values = attribute.all('AttributeValue').map(({ text }) => text);
    attributes.set(name, [...(attributes.get(name) ?? []), ...values]);
  }
  return attributes;
}

/** Of two values, which was meant is not known. */
function onlyValue(attributes: Attributes, name: string): string | null {
  const values = attributes.get(name) ?? [];
  return values.length === 1 ? (values[0] ?? null) : null;
}

function addressOf(nameId: string): string | null {
  return normaliseEmail(nameId) === null ? null : nameId;
}

function readValue(name: string, value: string | null): string {
  if (value === null) throw invalidAnswer(`a value of ${name} that is no text`);
  if (value.length > LONGEST_VALUE || !value.isWellFormed() || /\0/.test(value))
    throw invalidAnswer(`a value of ${name} that cannot be kept`);
  return value;
}
