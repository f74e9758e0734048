import { asksForLess } from './failures.ts';
import { AttributeIds, type Session } from './library.ts';

/** Server capabilities by node (OPC UA Part 5 §6.3.11); 0 or missing: no stated limit. */
const nodes = { read: 'i=11705', translate: 'i=11712', monitor: 'i=11714' } as const;
type Service = keyof typeof nodes;

/** Without a stated limit, and at most, this many nodes go into one request: more gains nothing and risks a message that is too large. */
const reasonable = 1_000;

/** How many nodes one request may carry, by service. Learns: an answer that asks for less halves it. */
export class Limits {
  readonly #most: Record<Service, number>;
  /** Times a server refused a request as too large. */
  halvings = 0;

  constructor(stated: Partial<Record<Service, number>>, wished: number | undefined) {
    const most = Math.min(wished ?? reasonable, reasonable);
    const of = (service: Service): number => Math.min(most, stated[service] || most);
    this.#most = { read: of('read'), translate: of('translate'), monitor: of('monitor') };
  }

  get(service: Service): number {
    return this.#most[service];
  }

  /**
   * Calls `request` with one slice after another, in order, and joins the answers, one for each item.
   * A slice that is refused as too large is halved; rejects when even a single item is.
   */
  async inSlices<Item, Answer>(
    service: Service,
    items: readonly Item[],
    request: (slice: readonly Item[], from: number) => Promise<readonly Answer[]>,
  ): Promise<Answer[]> {
    const answers: Answer[] = [];
    while (answers.length < items.length) {
      const from = answers.length;
      const size = Math.min(this.#most[service], items.length - from);
      try {
        const got = await request(items.slice(from, from + size), from);
        if (got.length !== size) throw new Error(`the server answered ${got.length} of ${size} nodes`);
        for (const answer of got) answers.push(answer);
      } catch (error) {
        if (!asksForLess(error) || size === 1) throw error;
        this.#most[service] = Math.ceil(size / 2);
        this.halvings++;
      }
    }
    return answers;
  }
}

export async function readLimits(session: Session, wished: number | undefined): Promise<Limits> {
  const stated: Partial<Record<Service, number>> = {};
  try {
    const services = Object.keys(nodes) as Service[];
    const values = await session.read(services.map((service) => ({ nodeId: nodes[service], attributeId: AttributeIds.Value })));
    services.forEach((service, i) => {
      const limit = values[i]?.value?.value;
      if (typeof limit === 'number' && values[i]?.statusCode.isGood()) stated[service] = limit;
    });
  } catch (error) {
    if (!/ServiceResult|BadTooManyOperations/.test(String(error))) throw error;
  }
  return new Limits(stated, wished);
}
