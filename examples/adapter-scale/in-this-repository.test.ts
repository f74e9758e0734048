// The tests of a package of its own are its author's business; here they keep the example and docs/adapters.md honest.
await import(new URL('scale.test.js', import.meta.url).href);
