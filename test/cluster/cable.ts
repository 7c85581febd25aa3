import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Which way bytes go: from whoever dialled to whoever listens, or back. */
export type Way = 'there' | 'back';

/** One edge of the estate: a TCP connection between two processes goes through it, and it can be cut. */
export interface Cable extends AsyncDisposable {
  readonly name: string;
  /** Dial this instead of the target. */
  readonly port: number;
  /** From now on nothing passes this way, and nobody is told: bytes wait in the kernel, as for a lost packet. */
  block(...ways: readonly Way[]): void;
  /** Both ways take so many milliseconds longer. */
  delay(milliseconds: number): void;
  /** Resets all that is connected, and refuses what comes until `heal`. */
  cut(): void;
  /** As at the beginning. What was blocked goes on. */
  heal(): void;
  /** Resets all that is connected, and from now on leads there. */
  lead(port: number): void;
}

interface Line {
  readonly ends: Readonly<Record<Way, Socket>>;
  readonly pump: () => void;
}

interface State {
  readonly blocked: Set<Way>;
  delay: number;
  isCut: boolean;
}

export async function layCable(name: string, target: number): Promise<Cable> {
  const state: State = { blocked: new Set(), delay: 0, isCut: false };
  const lines = new Set<Line>();
  let leadsTo = target;
  const server = createServer({ noDelay: true }, (near) => {
    if (state.isCut) return void near.resetAndDestroy();
    const line = joinEnds(near, connect({ port: leadsTo, host: '127.0.0.1', noDelay: true }), state);
    lines.add(line);
    near.once('close', () => lines.delete(line));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const resetAll = () => {
    for (const { ends } of lines) for (const end of Object.values(ends)) end.resetAndDestroy();
  };
  return {
    name,
    port: (server.address() as AddressInfo).port,
    block: (...ways) => {
      for (const way of ways) state.blocked.add(way);
      for (const line of lines) line.pump();
    },
    delay: (milliseconds) => {
      state.delay = milliseconds;
    },
    cut: () => {
      state.isCut = true;
      resetAll();
    },
    heal: () => {
      state.blocked.clear();
      Object.assign(state, { delay: 0, isCut: false });
      for (const line of lines) line.pump();
    },
    lead: (port) => {
      leadsTo = port;
      resetAll();
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      resetAll();
    },
  };
}

/** `there`: read from the near end; `back`: read from the far one. An end that goes takes the other along. */
function joinEnds(near: Socket, far: Socket, state: State): Line {
  const ends = { there: near, back: far };
  const pass = (way: Way, to: Socket) => carry(ends[way], to, { way, state });
  pass('there', far);
  pass('back', near);
  const pump = () => {
    for (const way of ['there', 'back'] as const) {
      if (state.blocked.has(way)) ends[way].pause();
      else ends[way].resume();
    }
  };
  // What is dialled while the cable is blocked is connected, and hears nothing.
  pump();
  return { ends, pump };
}

function carry(from: Socket, to: Socket, { way, state }: { way: Way; state: State }): void {
  const later = (work: () => void) => {
    if (state.delay === 0) work();
    else setTimeout(work, state.delay);
  };
  from.on('data', (chunk) => later(() => void to.write(chunk)));
  from.on('end', () => later(() => void to.end()));
  from.on('error', () => {});
  from.on('close', () => {
    // Whoever is behind a blocked cable does not hear that the other has gone.
    if (!state.blocked.has(way)) later(() => void to.destroy());
    else setTimeout(() => void to.destroy(), 30_000).unref();
  });
}
