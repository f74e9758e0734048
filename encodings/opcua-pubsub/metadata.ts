import { createHash } from 'node:crypto';
import { engineeringUnit } from './units.ts';
import type { DataSetWriter, Field } from './writer.ts';

export interface MetaDataHead {
  readonly messageId: string;
  readonly publisherId: string;
  readonly writerGroupName: string;
  readonly timestamp: string;
}

/** The data type EUInformation in namespace 0. */
const euInformation = 887;
const extensionObject = 22;

/**
 * A DataSetMetaData message (Part 14 §7.2.5.5.2), its types in the reversible encoding of Part 6 1.04.
 * `brief` leaves descriptions, properties and field ids out.
 */
export function metaDataMessage(writer: DataSetWriter, head: MetaDataHead, brief: boolean): string {
  return JSON.stringify({
    MessageId: head.messageId,
    MessageType: 'ua-metadata',
    PublisherId: head.publisherId,
    DataSetWriterId: writer.id,
    WriterGroupName: head.writerGroupName,
    DataSetWriterName: writer.name,
    Timestamp: head.timestamp,
    MetaData: {
      Name: writer.name,
      Fields: [...writer.fields.values()].map((field) => fieldMetaData(writer, field, brief)),
      ConfigurationVersion: writer.version,
    },
  });
}

function fieldMetaData({ equipment }: DataSetWriter, { name, description, unit, type }: Field, brief: boolean): object {
  return {
    Name: name,
    ...(description !== undefined && !brief && { Description: { Text: description } }),
    BuiltInType: type.builtInType,
    DataType: { Id: type.builtInType },
    ValueRank: type.valueRank,
    ...(!brief && { DataSetFieldId: fieldId(`${equipment}/${name}`) }),
    ...(unit !== undefined &&
      !brief && {
        Properties: [
          {
            Key: { Name: 'EngineeringUnits' },
            Value: { Type: extensionObject, Body: { TypeId: { Id: euInformation }, Body: engineeringUnit(unit) } },
          },
        ],
      }),
  };
}

/** The same field has the same id, in every data set and after every restart: a UUID made of its name (RFC 9562 §5.5 in form). */
function fieldId(name: string): string {
  const hash = createHash('sha1').update(`dragoman:${name}`).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
