import type { PostureRule, ProvenDevice } from './posture.ts';

/**
 * A condition on an identity or on where it comes from, in Cloudflare's shape (reference §3.4), its texts normalised
 * so that evaluation compares texts alone. It is made by `parseRules`; what a caller wrote is kept elsewhere, as it was.
 */
export type Rule =
  | { readonly everyone: Readonly<Record<string, never>> }
  | { readonly email: { readonly email: string } }
  | { readonly email_domain: { readonly domain: string } }
  | { readonly email_list: { readonly id: string } }
  /** A block of addresses in CIDR notation, or one address. */
  | { readonly ip: { readonly ip: string } }
  | { readonly ip_list: { readonly id: string } }
  /** An Access group. */
  | { readonly group: { readonly id: string } }
  /** An identity provider. */
  | { readonly login_method: { readonly id: string } }
  /** An authentication method reference (RFC 8176), as `mfa`. */
  | { readonly auth_method: { readonly auth_method: string } }
  | { readonly oidc: ClaimRule }
  | { readonly saml: AttributeRule }
  /** A group of Microsoft Entra, by its id. */
  | { readonly azureAD: { readonly id: string; readonly identity_provider_id: string } }
  | { readonly okta: { readonly name: string; readonly identity_provider_id: string } }
  | { readonly 'github-organization': OrganizationRule }
  | { readonly service_token: { readonly token_id: string } }
  | { readonly any_valid_service_token: Readonly<Record<string, never>> }
  /** Any client certificate that an Access certificate of the account stands for, on the gate's TLS listener. */
  | { readonly certificate: Readonly<Record<string, never>> }
  | { readonly common_name: { readonly common_name: string } }
  /** A device posture rule, by its id. */
  | { readonly device_posture: { readonly integration_uid: string } }
  | { readonly external_evaluation: ExternalQuestion };

export interface ClaimRule {
  readonly claim_name: string;
  readonly claim_value: string;
  /** null: whichever provider told of the claim. */
  readonly identity_provider_id: string | null;
}

export interface AttributeRule {
  readonly attribute_name: string;
  readonly attribute_value: string;
  readonly identity_provider_id: string;
}

export interface OrganizationRule {
  readonly name: string;
  /** null: every member of the organization. */
  readonly team: string | null;
  readonly identity_provider_id: string;
}

/** A service of somebody else's that is asked whether the rule matches. */
export interface ExternalQuestion {
  readonly evaluate_url: string;
  readonly keys_url: string;
}

/** What a policy and an Access group have in common: at least one of `include`, none of `exclude`, all of `require`. */
export interface RuleLists {
  readonly include: readonly Rule[];
  readonly exclude: readonly Rule[];
  readonly require: readonly Rule[];
}

/** What a policy decides: `allow` is for people, `non_identity` for services, `bypass` for anybody, `deny` for all. */
export type Decision = 'allow' | 'deny' | 'non_identity' | 'bypass';

/** An Access policy: whom it concerns, and what it decides for them. */
export interface Policy extends RuleLists {
  readonly id: string;
  readonly name: string;
  readonly decision: Decision;
  /** Lower goes first. */
  readonly precedence: number;
  /** A duration (`24h`); null leaves it to the application. */
  readonly session_duration: string | null;
}

/**
 * Claims or attributes that a provider told of a person, each with its values as texts. `groups` holds the groups of
 * OpenID providers; `github_organizations` organizations as `org`, and their teams as `org/team`.
 */
export type Claims = Readonly<Record<string, readonly string[]>>;

/** What is known of whoever asks when a policy is evaluated. */
export type Identity = PersonIdentity | ServiceIdentity | CertificateIdentity | Nobody;

export interface PersonIdentity {
  readonly kind: 'person';
  /** A key of `normaliseEmail`. */
  readonly email: string;
  /** Where they signed in. */
  readonly providerId: string;
  /** As that provider told last. */
  readonly claims: Claims;
  /** How they proved themselves when they signed in (RFC 8176). */
  readonly amr: readonly string[];
}

/** A service token that is valid. */
export interface ServiceIdentity {
  readonly kind: 'service';
  readonly serviceTokenId: string;
}

/** Whoever has nothing but a client certificate, which the surroundings tell of. */
export interface CertificateIdentity {
  readonly kind: 'certificate';
}

/** Whoever has not proved anything: what asks for an identity cannot be known of them. */
export interface Nobody {
  readonly kind: 'nobody';
}

/** Where a request comes from. */
export interface Surroundings {
  /** The client's address in canonical text. */
  readonly ip: string;
  /** The client certificate of the connection, if one of the account's Access certificates stands for it here. */
  readonly certificate: { readonly commonName: string | null } | null;
  /** The device that the request was proven to come from, if it is one of whoever asks; nobody has one. */
  readonly device: ProvenDevice | null;
}

/** Groups, lists and posture rules that rules name by id; undefined for what is not there. */
export interface NamedSets {
  group(id: string): RuleLists | undefined;
  list(id: string): NamedList | undefined;
  posture(id: string): PostureRule | undefined;
}

export type NamedListType = 'email' | 'ip' | 'serial' | 'device';

export interface NamedList {
  readonly type: NamedListType;
  /** For a normalised e-mail, an address in canonical text, a folded serial number, or the id of a device. */
  has(value: string): boolean;
}

/** Cloudflare's limit of rules in one list (reference §3.4). */
export const MOST_RULES = 1000;
