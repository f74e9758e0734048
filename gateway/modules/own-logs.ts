import type { LogLine } from '../../deployments/engine/contract.ts';

/** The gateway's own log lines as those of a container, oldest first: it is edgeAgent and edgeHub. A line that is no JSON has the time of the one before. */
export async function* ownLogLines(lines: readonly string[]): AsyncIterable<LogLine> {
  let time = new Date(0).toISOString();
  for (const text of lines) {
    time = timeOf(text) ?? time;
    yield { time, stream: 'stderr', text };
  }
}

function timeOf(line: string): string | undefined {
  try {
    const { time } = JSON.parse(line) as { readonly time?: unknown };
    return typeof time === 'string' ? time : undefined;
  } catch {
    return undefined;
  }
}
