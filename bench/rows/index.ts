import { modbusAdapter } from './modbus-adapter.ts';
import { modbusHub } from './modbus-hub.ts';
import type { Row } from './row.ts';

export const rows: readonly Row[] = [modbusHub, modbusAdapter];
