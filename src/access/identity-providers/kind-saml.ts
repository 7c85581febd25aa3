import { X509Certificate } from 'node:crypto';
import type { Problem } from '../../kernel/result.ts';
import { urlProblems } from './openid-settings.ts';
import {
  type ConfigInput,
  type Examination,
  nameProblems,
  openCommon,
  type ProviderKind,
  readCommon,
  readTexts,
  refuseProblems,
  type Settings,
} from './provider-kind.ts';

interface SamlSettings extends Settings {
  readonly sso_target_url: string;
  /** As they were given. */
  readonly idp_public_certs: readonly string[];
  readonly attributes: readonly string[];
  readonly email_attribute_name: string | null;
  readonly force_authn: boolean;
}

/** A SAML 2.0 identity provider, known by its entity id (`issuer_url`) and by the certificates of its keys. */
export const samlKind: ProviderKind<SamlSettings> = {
  names: [
    'issuer_url',
    'sso_target_url',
    'idp_public_certs',
    'idp_public_cert',
    'attributes',
    'email_attribute_name',
    'force_authn',
    'link_by_email',
    'accept_stale_login',
  ],
  refused: ['sign_request', 'enable_encryption', 'header_attributes', 'max_sso_url_length'],
  hasSecret: false,
  examine: async (examination) => {
    const { config } = examination;
    const problems: Problem[] = [];
    const { issuer_url: issuer, sso_target_url } = readTexts(
      config,
      ['issuer_url', 'sso_target_url'],
      problems,
    );
    problems.push(...urlProblems(config, ['sso_target_url']), ...nameProblems(config, 'attributes'));
    if (/[\p{Cc}\p{Cs}\s]/u.test(issuer))
      problems.push({ pointer: '/config/issuer_url', message: 'must not hold spaces' });
    problems.push(...certificateProblems(examination));
    refuseProblems(problems);
    const settings = {
      ...readCommon(config),
      sso_target_url,
      idp_public_certs: givenCertificates(config),
      attributes: config.attributes ?? [],
      email_attribute_name: config.email_attribute_name || null,
      force_authn: config.force_authn ?? false,
    };
    return { issuer, settings };
  },
  present: ({ issuer, settings: { email_attribute_name: email, ...settings } }) => ({
    issuer_url: issuer,
    ...settings,
    idp_public_certs: [...settings.idp_public_certs],
    attributes: [...settings.attributes],
    ...(email === null ? {} : { email_attribute_name: email }),
  }),
  proofOf: ({ sso_target_url, idp_public_certs: certificates, email_attribute_name }) => [
    sso_target_url,
    email_attribute_name,
    certificates.map((one) => readCertificate(one)?.fingerprint256).sort(),
  ],
  claimsOf: ({ attributes }) => attributes,
  open: (provider) => ({
    kind: 'saml',
    ...openCommon(provider),
    issuer: provider.issuer,
    ssoUrl: provider.settings.sso_target_url,
    certificates: provider.settings.idp_public_certs.flatMap((one) => readCertificate(one)?.toString() ?? []),
    attributes: provider.settings.attributes,
    emailAttribute: provider.settings.email_attribute_name,
    forceAuthn: provider.settings.force_authn,
  }),
};

function givenCertificates({ idp_public_certs: several, idp_public_cert: one }: ConfigInput): string[] {
  return [...new Set([...(several ?? []), ...(one === undefined ? [] : [one])])];
}

/** One that has expired may stay, so that a provider can be renamed; it cannot be added. */
function certificateProblems({ config, known, now }: Examination<SamlSettings>): Problem[] {
  const given = givenCertificates(config);
  if (given.length === 0) return [{ pointer: '/config/idp_public_certs', message: 'is required' }];
  const stored = known?.settings.idp_public_certs ?? [];
  const listed = config.idp_public_certs ?? [];
  return given.flatMap((one) => {
    const message = certificateProblem(one, stored.includes(one) ? null : now);
    const index = listed.indexOf(one);
    const pointer = index < 0 ? '/config/idp_public_cert' : `/config/idp_public_certs/${index}`;
    return message === null ? [] : [{ pointer, message }];
  });
}

const LEAST_BITS = 2048;

function certificateProblem(text: string, now: number | null): string | null {
  const certificate = readCertificate(text);
  if (!certificate) return 'must be one X.509 certificate, in PEM or its base64 alone';
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  if (type !== 'rsa' || (details?.modulusLength ?? 0) < LEAST_BITS)
    return `must hold an RSA key of at least ${LEAST_BITS} bits`;
  return now !== null && certificate.validToDate.getTime() <= now ? 'has expired' : null;
}

const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The certificate of a text that holds exactly one, or null. */
function readCertificate(text: string): X509Certificate | null {
  const body = (PEM.exec(text.trim())?.[1] ?? text).replaceAll(/\s/g, '');
  if (!BASE64.test(body)) return null;
  try {
    return new X509Certificate(Buffer.from(body, 'base64'));
  } catch {
    return null;
  }
}
