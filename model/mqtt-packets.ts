import { writeToStream } from 'mqtt-packet';

// For whoever loads an MQTT client. Its first packet would make 65 536 buffers, one for each number of two bytes, and keep them: a tenth of what a
// small gateway takes.
writeToStream.cacheNumbers = false;
