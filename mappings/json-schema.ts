import { z } from 'zod';
import type { AdapterLanguage } from './language.ts';
import { equipmentFile, pointSchema } from './schema.ts';

/** As much of JSON Schema as we read back for the docs. */
export interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  items?: JsonSchema | JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  [key: string]: unknown;
}

/** What a person writes for a schema, in the draft that editors know best. `meta({ json })` on a schema says it where zod cannot. */
export function writtenSchema(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { json: written, expects: _, ...meta } = z.globalRegistry.get(zodSchema as unknown as z.ZodType) ?? {};
      delete jsonSchema.expects;
      delete jsonSchema.json;
      if (!written) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key as keyof typeof jsonSchema];
      Object.assign(jsonSchema, written, meta);
    },
  }) as JsonSchema;
  delete json.$schema;
  return json;
}

/** The JSON Schema of a mapping file, for editors: `# yaml-language-server: $schema=./mapping.schema.json`. */
export function mappingJsonSchema(languages: readonly AdapterLanguage[]): JsonSchema {
  const file = writtenSchema(equipmentFile);
  const { connection, defaults, points, ...rest } = file.properties ?? {};
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Dragoman mapping',
    description: 'One piece of equipment: how it is reached, its points, and samples that test the mapping',
    ...file,
    properties: {
      ...rest,
      connection: {
        ...describedBy(connection),
        type: 'object',
        properties: { adapter: { description: 'Protocol of the machine', type: 'string', enum: languages.map(({ name }) => name) } },
        required: ['adapter'],
      },
      defaults: { ...describedBy(defaults), type: 'object' },
      points: { ...describedBy(points), type: 'object' },
    },
    allOf: languages.map((language) => ({
      if: {
        properties: { connection: { properties: { adapter: { const: language.name } }, required: ['adapter'] } },
        required: ['connection'],
      },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
      then: { properties: adapterProperties(language) },
    })),
  };
}

function adapterProperties(language: AdapterLanguage): Record<string, JsonSchema> {
  const connection = writtenSchema(language.connection);
  const point = writtenSchema(pointSchema(language));
  const names = { propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9_]{0,63}$' } };
  return {
    connection: {
      ...connection,
      properties: { adapter: { const: language.name, description: language.summary }, ...connection.properties },
      required: ['adapter', ...(connection.required ?? [])],
    },
    defaults: point,
    points: { type: 'object', ...names, additionalProperties: { ...point, properties: droppable(point.properties ?? {}) } },
  };
}

/** `null` at a point takes a default away. */
function droppable(properties: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => {
      if (key === 'at') return [key, schema];
      const { description, ...form } = schema;
      return [key, { ...(description !== undefined && { description }), anyOf: [form, { type: 'null' }] }];
    }),
  );
}

const describedBy = (schema: JsonSchema | undefined): JsonSchema =>
  schema?.description === undefined ? {} : { description: schema.description };
