import type { Readable } from 'node:stream';
import type { Place } from './exchanges.ts';

/** What of an exchange may be handed on at this moment, and what has to wait. */
export class Flow {
  readonly #place: Place;
  #isOver = false;
  #isFrozen = false;
  /** What came up while nothing may flow. */
  #held: (() => void)[] = [];

  constructor(place: Place) {
    this.#place = place;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  mayFlow(): boolean {
    return !this.#isOver && this.#place.mayFlow();
  }

  /** Whether a chunk may be handed on; if not yet, it goes back to where it came from. */
  mayPass(chunk: Uint8Array, source: Readable): boolean {
    if (this.mayFlow()) return true;
    if (!this.#isOver) {
      source.pause();
      source.unshift(chunk);
    }
    return false;
  }

  /** Does it now, or as soon as anything may flow again; never, if it is over before. */
  when(action: () => void): void {
    if (this.mayFlow()) action();
    else if (!this.#isOver) this.#held.push(action);
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const action of this.#held.splice(0)) this.when(action);
  }

  end(): void {
    this.#isOver = true;
    this.#held = [];
  }
}
