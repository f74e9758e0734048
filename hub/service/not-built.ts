import type { Api } from './api.ts';
import { refusal } from './refusal.ts';

/** What IoT Hub has and this hub has not: a clear answer is better than one that looks like a wrong address. */
const unbuilt = [
  { what: 'scheduled jobs', methods: ['GET', 'PUT'], urls: ['/jobs/v2/:id'] },
  { what: 'scheduled jobs', methods: ['POST'], urls: ['/jobs/v2/:id/cancel'] },
  { what: 'import and export jobs', methods: ['GET', 'DELETE'], urls: ['/jobs', '/jobs/:id'] },
  { what: 'import and export jobs', methods: ['POST'], urls: ['/jobs/create'] },
] as const;

export function addUnbuiltRoutes({ route }: Api): void {
  for (const { what, methods, urls } of unbuilt) {
    for (const method of methods) {
      for (const url of urls) {
        route(method, url, method === 'GET' ? 'registryRead' : 'registryWrite', ({ reply }) => {
          const { status, body } = refusal(501, 'NotImplemented', `this embedded hub has no ${what} yet`);
          reply.code(status);
          return body;
        });
      }
    }
  }
}
