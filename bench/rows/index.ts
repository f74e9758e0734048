import { backlog } from './backlog.ts';
import { check } from './check.ts';
import { drain } from './drain.ts';
import { heap } from './heap.ts';
import { hubFleet } from './hub-fleet.ts';
import { idle } from './idle.ts';
import { image } from './image.ts';
import { amqpIn, mqttIn } from './in.ts';
import { kills } from './kills.ts';
import { modbusAdapter } from './modbus-adapter.ts';
import { modbusHub } from './modbus-hub.ts';
import { modules } from './modules.ts';
import { modulesIdle } from './modules-idle.ts';
import { opcuaHub } from './opcua-hub.ts';
import { amqpOut, mqttOut } from './out.ts';
import { plan } from './plan.ts';
import { routesRow } from './routes.ts';
import type { Row } from './row.ts';
import { scaling } from './scaling.ts';
import { start } from './start.ts';
import { swap } from './swap.ts';
import { twinReported } from './twin-reported.ts';
import { writeLatency } from './write-latency.ts';

export const rows: readonly Row[] = [
  modbusHub,
  modbusAdapter,
  opcuaHub,
  amqpIn,
  mqttIn,
  amqpOut,
  mqttOut,
  kills,
  drain,
  backlog,
  heap,
  scaling,
  writeLatency,
  twinReported,
  hubFleet,
  modules,
  plan,
  routesRow,
  swap,
  modulesIdle,
  idle,
  start,
  image,
  check,
];
