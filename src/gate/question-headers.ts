/**
 * The header lines of a request, from `rawHeaders`, since Node joins or drops repeated lines in every other form.
 * Names are given in lower case. They are looked for line by line: a request has few, and of most of them nobody asks.
 */
export class Headers {
  readonly #raw: readonly string[];

  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  has(name: string): boolean {
    return this.#next(name, 0) >= 0;
  }

  /** Every value of that name, in their order. */
  all(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#next(name, 0); at >= 0; at = this.#next(name, at + 2)) {
      values.push(this.#raw[at + 1] ?? '');
    }
    return values;
  }

  /** The value of a header that came exactly once: of two, which was meant is not known. */
  single(name: string): string | undefined {
    const at = this.#next(name, 0);
    return at < 0 || this.#next(name, at + 2) >= 0 ? undefined : this.#raw[at + 1];
  }

  repeats(name: string): boolean {
    const at = this.#next(name, 0);
    return at >= 0 && this.#next(name, at + 2) >= 0;
  }

  /** Where the next line of that name is, from `from` on; -1 if there is none. */
  #next(name: string, from: number): number {
    const raw = this.#raw;
    for (let at = from; at + 1 < raw.length; at += 2) {
      const found = raw[at] ?? '';
      // Lengths are there already; most names need not be looked at.
      if (found.length === name.length && (found === name || found.toLowerCase() === name)) return at;
    }
    return -1;
  }
}
