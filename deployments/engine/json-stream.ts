import { isTwinObject, type TwinObject } from '../../twin/section.ts';

/** Objects of a stream that has one JSON text a line (progress, events); what is none is passed over. */
export async function* readJsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<TwinObject> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield* objectIn(line);
  }
  yield* objectIn(rest);
}

function* objectIn(line: string): Generator<TwinObject> {
  if (line.trim() === '') return;
  try {
    const value: unknown = JSON.parse(line);
    if (isTwinObject(value)) yield value;
  } catch {
    // Half a line of an engine that died: the end of the stream says so.
  }
}
