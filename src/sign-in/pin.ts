import type { PinProvider } from '../access/identity-providers/opened.ts';
import type { Database } from '../database/database.ts';
import { type Clock, timestamp } from '../kernel/clock.ts';
import { equalInConstantTime, type Vault } from '../kernel/crypto.ts';
import type { Mailer } from './mailer.ts';
import type { Method } from './method.ts';
import { useTry } from './pin-store.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { SignInRefused } from './refused.ts';
import { PREFIX } from './request.ts';

/** How often a code can be entered. */
export const MOST_TRIES = 5;

/** The page on which the person says who they are and enters the code. */
export const PIN_PATH = `${PREFIX}/pin`;

export interface PinParts {
  readonly database: Database;
  readonly vault: Vault;
  readonly clock: Clock;
  /** null: no mail can be sent. */
  readonly mailer: Mailer | null;
}

/**
 * A one-time PIN by mail: we are the provider. It proves that whoever sits at this browser reads the mails of an
 * address, now; that address is the subject, and our own team domain the issuer.
 */
export function pinMethod({ database, vault, clock, mailer }: PinParts): Method<PinProvider> {
  return {
    begin: async ({ started, issuer }) => {
      if (!mailer) throw new SignInRefused('provider_unavailable', { cause: new Error('--smtp is not set') });
      mailer.prepare();
      return `${issuer}${PIN_PATH}?${new URLSearchParams({ state: started.state })}`;
    },
    prove: async ({ state, issuer, callback }): Promise<ProvenIdentity> => {
      const code = readCode(callback.fields.code ?? '');
      // Nothing can be guessed with what is no code, so it costs no try.
      if (code === null) throw new SignInRefused('pin_wrong');
      const now = timestamp(clock.now());
      const pin = await database.write((tx) => useTry(tx, { stateId: state.id, now, most: MOST_TRIES }));
      if (!pin) throw new SignInRefused('pin_expired');
      const isRight = equalInConstantTime(vault.open(pinPlace(state.id), pin.pin), code);
      if (!isRight) {
        const reason = pin.tries < MOST_TRIES ? 'pin_wrong' : 'pin_used_up';
        throw new SignInRefused(reason, { email: pin.email_key });
      }
      return {
        issuer,
        subject: pin.email_key,
        email: pin.email_key,
        emailVerified: true,
        name: null,
        authTime: Math.floor(Date.parse(pin.sent_at) / 1000),
        claims: {},
        amr: ['otp'],
        sid: null,
      };
    },
  };
}

/** The six digits, however the person has grouped them; null for anything else. */
function readCode(text: string): string | null {
  const digits = text.replaceAll(/[ -]/g, '');
  return /^[0-9]{6}$/.test(digits) ? digits : null;
}

export function pinPlace(stateId: string): string {
  return `sign_in_pins/${stateId}/pin`;
}
