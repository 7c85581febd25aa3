import type { Static } from 'typebox';
import { invalidInput } from '../../kernel/errors.ts';
import type { Problem } from '../../kernel/result.ts';
import type { IdentityProviderInput, PresentedConfig } from './contract.ts';
import type { OpenedProvider } from './opened.ts';

export type ProviderInput = Static<typeof IdentityProviderInput>;
export type ConfigInput = ProviderInput['config'];

/** What is stored of every provider besides its issuer and its secret. */
export interface Settings {
  readonly link_by_email: boolean;
  readonly accept_stale_login: boolean;
}

/** A provider as it is known: who answers there, and what is stored of it. */
export interface KnownProvider<S extends Settings = Settings> {
  readonly type: string;
  readonly issuer: string;
  readonly settings: S;
}

/** A config to be read; `known` is what the provider was before, null for a new one. */
export interface Examination<S extends Settings = Settings> {
  readonly type: string;
  readonly config: ConfigInput;
  readonly known: KnownProvider<S> | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a config was found to mean. */
export interface Found<S extends Settings = Settings> {
  readonly issuer: string;
  readonly settings: S;
}

/** A provider on its way to a sign-in, its secret opened; '' where it has none. */
export interface Openable<S extends Settings = Settings> extends KnownProvider<S> {
  readonly id: string;
  readonly secret: string;
}

/** How providers of a type are configured. */
export interface ProviderKind<S extends Settings = Settings> {
  /** Names that a config may have, beside `client_secret` and what every type has; any other is refused. */
  readonly names: readonly string[];
  /** Names of Cloudflare's that may come only as what asks for nothing. */
  readonly refused: readonly string[];
  readonly hasSecret: boolean;
  /** What a row that was written by an older version does not say. */
  readonly missing?: Partial<S>;
  /**
   * Reads a config and finds its issuer. May talk to the provider, so never inside a transaction. Throws a 400 with
   * pointers.
   */
  examine(examination: Examination<S>): Promise<Found<S>>;
  /** As it is answered, never with the secret. */
  present(known: KnownProvider<S>): Static<typeof PresentedConfig>;
  /** What says, beside the issuer, who vouches and for whom: if it changes, nothing that was proven stands. */
  proofOf(settings: S): unknown;
  /** Names of the claims that policies may ask about. */
  claimsOf(settings: S): readonly string[];
  open(provider: Openable<S>): OpenedProvider;
}

/** The settings that every type has, all ours. */
export function readCommon({ link_by_email: link, accept_stale_login: stale }: ConfigInput): Settings {
  return { link_by_email: link ?? false, accept_stale_login: stale ?? false };
}

/** What every provider is to a sign-in. */
export function openCommon({ id, type, settings }: Openable) {
  return {
    id,
    type,
    linkByEmail: settings.link_by_email,
    acceptsStaleLogin: settings.accept_stale_login,
  };
}

/** Names of texts in a config. */
export type TextName = {
  [K in keyof ConfigInput]-?: NonNullable<ConfigInput[K]> extends string ? K : never;
}[keyof ConfigInput];

/** The texts of these names, of which none may be missing; problems are added where one is. */
export function readTexts<N extends TextName>(
  config: ConfigInput,
  names: readonly N[],
  problems: Problem[],
): Record<N, string> {
  const texts: Record<string, string> = {};
  for (const name of names) {
    const value = config[name];
    if (value === undefined) problems.push({ pointer: `/config/${name}`, message: 'is required' });
    texts[name] = value ?? '';
  }
  return texts as Record<N, string>;
}

/** Claims and attributes are looked up by name: one that is there twice, or cannot be seen, is a mistake. */
export function nameProblems(config: ConfigInput, list: 'claims' | 'attributes'): Problem[] {
  const names = config[list] ?? [];
  return names.flatMap((name, index) => {
    const message = /[\p{Cc}\p{Cs}]/u.test(name)
      ? 'must not hold control characters'
      : names.indexOf(name) < index
        ? 'is there twice'
        : null;
    return message === null ? [] : [{ pointer: `/config/${list}/${index}`, message }];
  });
}

/** Throws all problems at once, if there are any. */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw invalidConfig(problems);
}

export function invalidConfig(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
