import type { SessionToken } from '../../src/protocol/claims.ts';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import type { SessionLineage } from '../../src/sign-in/store.ts';
import { type Person, person, type Started, type Steps } from './steps.ts';
import type { World } from './world.ts';

/** One thing that somebody does, as generated: which sign-in or person is meant depends on what there is by then. */
export interface Deed {
  readonly kind: 'begin' | 'step' | 'present' | 'sign out' | 'revoke' | 'delete';
  readonly who: number;
  readonly which: number;
}

interface SignIn {
  readonly person: Person;
  readonly begunAt: number;
  /** When its state was made; after it, whoever removes the person means this sign-in too. */
  madeAt: number | null;
  isBusy: boolean;
  refused: string | null;
  started: Started | null;
  session: SessionLineage | null;
  code: string | null;
  token: SessionToken | null;
  signedOut: boolean;
}

interface Removal {
  readonly person: Person;
  readonly calledAt: number;
  returnedAt: number | null;
}

/**
 * What truly happened in one run, by its own count of events and not by any position: the judge of whether a
 * credential may be admitted.
 */
export class Race {
  readonly violations: string[] = [];
  /** How many sign-ins reached each step, to show that there was something to judge. */
  readonly reached = { state: 0, session: 0, code: 0, token: 0, admitted: 0, superseded: 0, removals: 0 };
  readonly #world: World;
  readonly #people: readonly Person[];
  readonly #most: number;
  readonly #signIns: SignIn[] = [];
  readonly #removals: Removal[] = [];
  #events = 0;

  constructor(world: World, { people, signIns }: { people: number; signIns: number }) {
    this.#world = world;
    this.#people = Array.from({ length: people }, (_, index) => person(`person-${index}`));
    this.#most = signIns;
  }

  /** What the deed comes to now; null if there is nothing to do. Resolves to nothing, whatever came of it. */
  plan({ kind, who, which }: Deed): ((steps: Steps) => Promise<void>) | null {
    const whom = this.#people[who % this.#people.length];
    if (!whom) return null;
    if (kind === 'revoke' || kind === 'delete') return (steps) => this.#remove(steps, whom, kind);
    if (kind === 'begin') return this.#signIns.length < this.#most ? this.#begin(whom) : null;
    const own = this.#signIns.filter((one) => one.person === whom && one.refused === null && !one.isBusy);
    const signIn = own[which % Math.max(own.length, 1)];
    if (!signIn) return null;
    signIn.isBusy = true;
    if (kind === 'sign out') return (steps) => this.#signOut(steps, signIn);
    return kind === 'present' ? async () => this.#present(signIn) : (steps) => this.#step(steps, signIn);
  }

  /** Begins what is left to begin, takes every sign-in to its end, and everybody once more through one. */
  async finish(): Promise<void> {
    while (this.#signIns.length < this.#most) {
      const whom = this.#people[this.#signIns.length % this.#people.length];
      if (whom) await this.#begin(whom)(this.#world.steps);
    }
    for (const signIn of this.#signIns) {
      while (signIn.refused === null && signIn.token === null) await this.#step(this.#world.steps, signIn);
    }
    this.judgeAll();
    for (const whom of this.#people) await this.#signInOnceMore(whom);
    this.judgeAll();
    await this.#judgeByPosition();
  }

  /** Every credential there is against everything that has happened. */
  judgeAll(): void {
    for (const signIn of this.#signIns) this.#judge(signIn);
  }

  /** One more sign-in from now on, whose state is still to be made. */
  #begin(whom: Person): (steps: Steps) => Promise<void> {
    const signIn: SignIn = {
      person: whom,
      begunAt: this.#next(),
      madeAt: null,
      isBusy: true,
      refused: null,
      started: null,
      session: null,
      code: null,
      token: null,
      signedOut: false,
    };
    this.#signIns.push(signIn);
    return async (steps) => {
      signIn.started = await steps.start(whom);
      signIn.madeAt = this.#next();
      signIn.isBusy = false;
      this.reached.state += 1;
    };
  }

  async #step(steps: Steps, signIn: SignIn): Promise<void> {
    try {
      await this.#advance(steps, signIn);
    } catch (error) {
      if (!(error instanceof SignInRefused)) throw error;
      signIn.refused = error.reason;
      if (error.reason === 'superseded') this.reached.superseded += 1;
      if (!signIn.signedOut && !this.#isTouched(signIn)) {
        this.violations.push(`a sign-in that nobody ended was refused: ${error.reason}`);
      }
    } finally {
      signIn.isBusy = false;
    }
    this.#judge(signIn);
  }

  async #advance(steps: Steps, signIn: SignIn): Promise<void> {
    if (!signIn.started || signIn.token) return;
    if (!signIn.session) {
      signIn.session = await steps.finish(signIn.started);
      this.reached.session += 1;
    } else if (!signIn.code) {
      signIn.code = await steps.handOff(signIn.session);
      this.reached.code += 1;
    } else {
      signIn.token = await steps.redeem(signIn.code);
      this.reached.token += 1;
    }
  }

  #present(signIn: SignIn): void {
    signIn.isBusy = false;
    this.#judge(signIn);
  }

  async #signOut(steps: Steps, signIn: SignIn): Promise<void> {
    if (signIn.session) {
      signIn.signedOut = true;
      await steps.signOut(signIn.session.nonce);
    }
    signIn.isBusy = false;
    this.#judge(signIn);
  }

  async #remove(steps: Steps, whom: Person, kind: 'revoke' | 'delete'): Promise<void> {
    const id = await steps.idOf(whom.email);
    if (!id) return;
    const removal: Removal = { person: whom, calledAt: this.#next(), returnedAt: null };
    this.#removals.push(removal);
    try {
      await (kind === 'revoke' ? steps.revoke(whom.email) : steps.remove(id));
      removal.returnedAt = this.#next();
      this.reached.removals += 1;
    } catch (error) {
      if ((error as { status?: unknown }).status !== 404) throw error;
    }
    // In the turn in which the call returned.
    this.judgeAll();
  }

  async #signInOnceMore(whom: Person): Promise<void> {
    const { token } = await this.#world.signIn(whom);
    if (this.#world.ask(token).verdict !== 'allow') this.violations.push('who signs in again is refused');
  }

  /** A removal that began when the state was there covers it, from when the removal returned. */
  #isCovered(signIn: SignIn): boolean {
    const { madeAt } = signIn;
    return (
      madeAt !== null &&
      this.#removals.some(
        (removal) =>
          removal.person === signIn.person && removal.returnedAt !== null && removal.calledAt > madeAt,
      )
    );
  }

  /** Whether any removal of that person was under way at any time since the sign-in began. */
  #isTouched(signIn: SignIn): boolean {
    return this.#removals.some(
      (removal) =>
        removal.person === signIn.person &&
        (removal.returnedAt === null || removal.returnedAt > signIn.begunAt),
    );
  }

  #judge(signIn: SignIn): void {
    const { token, session } = signIn;
    if (!session || signIn.isBusy) return;
    const admitted = token !== null && this.#world.ask(token).verdict === 'allow';
    if (admitted) this.reached.admitted += 1;
    if (this.#isCovered(signIn) || signIn.signedOut) {
      if (admitted) this.violations.push('a token was admitted after its lineage had been ended');
      if (this.#world.stands(session))
        this.violations.push('a session stands after its lineage had been ended');
      if (this.#world.ask(this.#world.forge(session)).verdict === 'allow')
        this.violations.push('a token forged from an ended session was admitted');
    } else if (token && !admitted && !this.#isTouched(signIn)) {
      this.violations.push('a token that nobody ended was refused');
    }
  }

  /** The same by the positions in the database, which also settles what happened at the same time. */
  async #judgeByPosition(): Promise<void> {
    const rows = await this.#world.database.reader.query
      .selectFrom('revocations')
      .select(['subject_id', 'position'])
      .where('subject_type', '=', 'email')
      .execute();
    const newest = new Map(rows.map((row) => [row.subject_id, row.position]));
    for (const { started, token, signedOut, refused } of this.#signIns) {
      if (!started || signedOut) continue;
      const stands = started.rev.position >= (newest.get(started.person.email) ?? 0);
      const admitted = token !== null && this.#world.ask(token).verdict === 'allow';
      if (stands !== admitted) {
        const ended = `${started.rev.position} against ${newest.get(started.person.email)}`;
        this.violations.push(
          `${admitted ? 'admitted' : `refused (${refused})`} in spite of positions ${ended}`,
        );
      }
    }
  }

  #next(): number {
    this.#events += 1;
    return this.#events;
  }
}
