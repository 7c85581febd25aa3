import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import type { SignInStateRow } from '../database/tables.ts';
import type { Callback } from './callback.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import type { StartedSignIn } from './start.ts';

/** A sign-in that begins at a provider. */
export interface Beginning<P> {
  readonly provider: P;
  readonly started: StartedSignIn;
  /** `https://team.example`: our own name towards providers. */
  readonly issuer: string;
  /** Where the browser comes back to. */
  readonly redirectUri: string;
  /** Whether the person has to be asked again, whatever session the provider has of its own. */
  readonly fresh: boolean;
}

/** A browser that came back from there. */
export interface CameBack<P> {
  readonly provider: P;
  readonly state: SignInStateRow;
  readonly issuer: string;
  readonly redirectUri: string;
  readonly callback: Callback;
}

/** A way in which people prove who they are to providers of one kind. */
export interface Method<P extends OpenedProvider> {
  /** Where to send the browser. */
  begin(beginning: Beginning<P>): Promise<string>;
  /** What the provider proved of the person; throws SignInRefused. Never inside a transaction. */
  prove(cameBack: CameBack<P>): Promise<ProvenIdentity>;
}

export type Methods = {
  readonly [K in OpenedProvider['kind']]: Method<Extract<OpenedProvider, { kind: K }>>;
};
