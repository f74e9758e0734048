import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { amqp } from '../adapters/amqp/adapter.ts';
import { rules as amqpRules } from '../adapters/amqp/rules.ts';
import { http } from '../adapters/http/adapter.ts';
import { rules as httpRules } from '../adapters/http/rules.ts';
import { modbus } from '../adapters/modbus/adapter.ts';
import { rules as modbusRules } from '../adapters/modbus/rules.ts';
import { mqtt } from '../adapters/mqtt/adapter.ts';
import { rules as mqttRules } from '../adapters/mqtt/rules.ts';
import { opcua } from '../adapters/opcua/adapter.ts';
import { rules as opcuaRules } from '../adapters/opcua/rules.ts';
import { rules as payloadRules } from '../adapters/payload/rules.ts';
import { rules as deploymentRules } from '../deployments/rules.ts';
import { rules as configurationRules } from '../gateway/configuration/rules.ts';
import { mappingJsonSchema } from '../mappings/json-schema.ts';
import { keysPage } from '../mappings/keys-page.ts';
import { rules } from '../mappings/rules.ts';
import { rulesPage } from '../mappings/rules-page.ts';

const root = join(import.meta.dirname, '..');
const languages = [modbus, opcua, amqp, mqtt, http];

/** Everything that is written from the schemas and catalogues, by its path in the repository. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['mappings/mapping.schema.json', `${JSON.stringify(mappingJsonSchema(languages), null, 2)}\n`],
    ['docs/mapping-keys.md', keysPage(languages)],
    [
      'docs/errors.md',
      rulesPage([
        { title: 'Every mapping', rules },
        { title: 'modbus', rules: modbusRules },
        { title: 'opcua', rules: opcuaRules },
        { title: 'Messages: amqp, mqtt, http', rules: payloadRules },
        { title: 'amqp', rules: amqpRules },
        { title: 'mqtt', rules: mqttRules },
        { title: 'http', rules: httpRules },
        { title: 'Mappings that were sent to a gateway', rules: configurationRules },
        { title: 'Deployments: `dragoman plan`, `deploy`', rules: deploymentRules },
      ]),
    ],
  ]);
}

// `node docs/generate.ts` writes them; a test fails when they are out of date.
if (import.meta.main) {
  for (const [file, text] of generatedFiles()) writeFileSync(join(root, file), text);
}
