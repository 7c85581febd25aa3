import { ask } from './client.ts';
import type { LoadAnswer, LoadMessage } from './load.ts';

/** The process behind `startLoad`: asks as it is told, one message at a time, and says what came of it. */
function serveLoad(): void {
  const lists = new Map<number, readonly Buffer[]>();
  const answerTo = async ({ list, requests, connections = 1, ...rest }: LoadMessage): Promise<LoadAnswer> => {
    const known = requests?.map((text) => Buffer.from(text)) ?? lists.get(list) ?? [];
    lists.set(list, known);
    try {
      return { outcome: await ask({ ...rest, requests: known, connections }) };
    } catch (error) {
      return { failure: (error as Error).message };
    }
  };
  process.once('disconnect', () => process.exit());
  process.on('message', (message) => {
    void answerTo(message as LoadMessage).then((answer) => process.send?.(answer));
  });
}

serveLoad();
