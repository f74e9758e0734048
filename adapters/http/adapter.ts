import type { Adapter } from '../contract.ts';
import { compileHttpPoint, type HttpAddress, httpPoint, httpSample } from './address.ts';
import { type HttpSettings, httpConnection } from './settings.ts';

export const http: Adapter<HttpSettings, HttpAddress> = {
  name: 'http',
  summary: 'HTTP client: polls JSON, XML, text, CSV and binary pages',
  connection: httpConnection,
  point: httpPoint,
  compilePoint: compileHttpPoint,
  sample: httpSample,
  async load() {
    const { connectHttp } = await import('./connection.ts');
    return { connect: connectHttp };
  },
};
