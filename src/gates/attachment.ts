import type { WebSocket } from 'ws';
import type { Database, Snapshot } from '../database/database.ts';
import { type Clock, SECOND } from '../kernel/clock.ts';
import { ApiError } from '../kernel/errors.ts';
import {
  CLOSE,
  type FromGate,
  type FromNode,
  GATE_PROTOCOL,
  readFromGate,
} from '../protocol/gate-messages.ts';
import { type Rev, reaches } from '../protocol/rev.ts';
import type { Feed, StateSource } from '../removal/feed.ts';
import { readHead } from '../removal/store.ts';
import { bring } from './bring.ts';
import type { GateHub } from './hub.ts';
import type { GateProcess } from './process.ts';

/** The credential that a gate came with, as the database knows it. */
export interface GateCredential {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
}

export interface AttachmentOptions {
  readonly hub: GateHub;
  readonly database: Database;
  readonly feed: Feed;
  readonly sources: readonly StateSource[];
  readonly clock: Clock;
  readonly nodeId: string;
  readonly scheme: 'http' | 'https';
  /** Milliseconds of a usual lease. */
  readonly length: number;
  /** Whether the credential still lives, in this snapshot. */
  readonly lives: (snapshot: Snapshot, gate: GateCredential) => Promise<boolean>;
  /** Before a process is registered: its key is published, and this node's own row is there (rows before rights). */
  readonly onAttaching: (gate: GateCredential, attach: AttachMessage) => Promise<void>;
  readonly onDetached: (attached: AttachMessage) => void;
  readonly onFault: (error: unknown) => void;
}

export type AttachMessage = Extract<FromGate, { type: 'attach' }>;

/** How long a gate may take to say who it is, and how much may wait for it in this process, in bytes. */
const ATTACH_WITHIN = 10 * SECOND;
const MOST_QUEUED = 64 * 1024 * 1024;
const ENOUGH_QUEUED = 1024 * 1024;
/** Nothing was heard for so many leases: it is gone. */
const SILENT_LEASES = 4;
/** How many questions of a gate may wait for one answer. */
const MOST_ASKED = 100;

/** Carries the stream of one gate process on an open WebSocket, until it closes. */
export function serveAttachment(socket: WebSocket, gate: GateCredential, options: AttachmentOptions): void {
  new Attachment(socket, gate, options).begin();
}

class Attachment {
  readonly #socket: WebSocket;
  readonly #gate: GateCredential;
  readonly #options: AttachmentOptions;
  #process: GateProcess | null = null;
  #attached: AttachMessage | null = null;
  #hasEnded = false;
  #asked: number[] = [];
  #isSyncing = false;
  /** While the process catches up: what was applied since. */
  #held: { readonly text: string; readonly at: Rev }[] | null = [];
  #sent: Rev | null = null;
  #silence: NodeJS.Timeout | null = null;

  constructor(socket: WebSocket, gate: GateCredential, options: AttachmentOptions) {
    this.#socket = socket;
    this.#gate = gate;
    this.#options = options;
  }

  begin(): void {
    this.#hear(ATTACH_WITHIN);
    this.#socket.on('error', () => this.#socket.terminate());
    this.#socket.on('close', (code) => this.#end(code));
    this.#socket.on('message', (data, isBinary) => {
      const said = isBinary ? null : readFromGate(String(data));
      if (said) this.#take(said);
      else this.close(CLOSE.protocol);
    });
  }

  send(text: string, at: Rev): void {
    if (this.#held) {
      this.#held.push({ text, at });
      return;
    }
    // A snapshot of the database can be ahead of what this node had applied: then it holds this already.
    if (this.#sent && reaches(this.#sent, at)) return;
    this.#sent = at;
    this.#write(text);
  }

  close(code: number): void {
    this.#socket.close(code);
    // Whoever does not answer the farewell is gone all the same.
    setTimeout(() => this.#socket.terminate(), SECOND).unref();
    this.#end(code);
  }

  #take(said: FromGate): void {
    // What comes late on a stream that was replaced says nothing of the one that took its place.
    if (this.#hasEnded) return;
    this.#hear(SILENT_LEASES * this.#options.length);
    const process = this.#process;
    if (said.type === 'attach') this.#attach(said);
    else if (!process) this.close(CLOSE.protocol);
    else if (said.type === 'ack') process.ack({ epoch: said.epoch, position: said.position });
    else if (said.type === 'renew') this.#renew(process, said.nonce);
    else this.#syncSoon(said.nonce);
  }

  /** Nothing that is unheard of for too long is kept. */
  #hear(patience: number): void {
    if (this.#silence) clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket.terminate(), patience).unref();
  }

  #attach(said: AttachMessage): void {
    if (this.#attached || said.protocol !== GATE_PROTOCOL) {
      this.close(CLOSE.protocol);
      return;
    }
    this.#attached = said;
    this.#catchUp(said).catch((error: unknown) => {
      this.#options.onFault(error);
      this.close(closeCodeOf(error));
    });
  }

  async #catchUp(said: AttachMessage): Promise<void> {
    const { hub, database, sources, onAttaching, onDetached, nodeId, scheme, length, lives } = this.#options;
    const { id: gateId, name: gateName, accountId } = this.#gate;
    await onAttaching(this.#gate, said);
    if (this.#hasEnded) {
      onDetached(said);
      return;
    }
    // Registered before anything is read: what is applied from now on is held for it.
    const process = hub.attach({ processId: said.process, gateId, gateName, accountId }, this);
    this.#process = process;
    const gate = { id: gateId, name: gateName };
    const welcome: FromNode = {
      type: 'welcome',
      protocol: GATE_PROTOCOL,
      node: nodeId,
      account: accountId,
      gate,
      scheme,
      lease: length,
    };
    await this.#say(JSON.stringify(welcome));
    const reached = await database.snapshot(
      async (snapshot) =>
        (await lives(snapshot, this.#gate))
          ? await bring(snapshot, { accountId, sources, applied: said.applied }, (text) => this.#say(text))
          : null,
      { repeatable: true },
    );
    if (!reached) {
      this.close(CLOSE.revoked);
      return;
    }
    // In one turn with what was held: nothing is left out, and nothing comes before its turn.
    process.caughtUp(reached);
    this.#sent = reached;
    const held = this.#held ?? [];
    this.#held = null;
    for (const { text, at } of held) this.send(text, at);
  }

  #renew(process: GateProcess, nonce: number): void {
    const milliseconds = this.#held ? 0 : process.renew();
    const message: FromNode = { type: 'lease', nonce, milliseconds, wall: this.#options.clock.now() };
    this.#write(JSON.stringify(message));
  }

  /** One at a time, and one more for all who asked meanwhile: each reads the database. */
  #syncSoon(nonce: number): void {
    this.#asked.push(nonce);
    if (this.#asked.length > MOST_ASKED) this.close(CLOSE.protocol);
    else if (!this.#isSyncing) void this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    this.#isSyncing = true;
    while (this.#asked.length > 0 && !this.#hasEnded) await this.#sync(this.#asked.splice(0));
    this.#isSyncing = false;
  }

  /** Everything that had committed is applied here, and so was sent; then the process is told so. */
  async #sync(nonces: readonly number[]): Promise<void> {
    const { feed, database, onFault } = this.#options;
    const { accountId } = this.#gate;
    try {
      await feed.catchUp(accountId);
      const head = await database.snapshot((snapshot) => readHead(snapshot, accountId));
      if (!head || this.#held) return;
      await feed.reach(accountId, head);
      const { epoch, position, chain } = head;
      const message: FromNode = { type: 'batch', epoch, position, items: [], chain };
      this.send(JSON.stringify(message), { epoch, position });
      for (const nonce of nonces) this.#write(JSON.stringify({ type: 'synced', nonce } satisfies FromNode));
    } catch (error) {
      onFault(error);
    }
  }

  /** Resolves when there is room for more. */
  async #say(text: string): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) throw new Error('the gate has gone');
    await new Promise<void>((resolve, reject) => {
      const isFull = this.#socket.bufferedAmount > ENOUGH_QUEUED;
      this.#socket.send(text, (error) => {
        if (error) reject(error);
        else if (isFull) resolve();
      });
      if (!isFull) resolve();
    });
  }

  #write(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(text, () => {});
    if (this.#socket.bufferedAmount > MOST_QUEUED) this.#socket.terminate();
  }

  #end(code: number): void {
    if (this.#silence) clearTimeout(this.#silence);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // A gate that leaves by itself has ended its lease before it says so.
    if (this.#process) this.#options.hub.detach(this.#process, this, { returned: code === LEFT });
    if (this.#attached) this.#options.onDetached(this.#attached);
  }
}

/** A gate that is refused for good must not come back again and again. */
function closeCodeOf(error: unknown): number {
  if (!(error instanceof ApiError)) return CLOSE.unavailable;
  if (error.status === 401) return CLOSE.revoked;
  return error.status === 400 ? CLOSE.protocol : CLOSE.unavailable;
}

const LEFT = 1000;
