// A NestJS microservice client with the gateway's own loader and channel options, driven by lines of JSON.
//
//   node gateway.js PROTO HOST:PORT
//
// A line on stdin is a call: {"id": 1, "call": "translateVideo", "request": {…}}. A line on stdout is what came of it:
// {"id", "ms", "message"} for each message, then {"id", "ms", "end": true}, or {"id", "ms", "error": {"code",
// "details"}}; ms is the time since the call. {"id": 1, "drop": true} drops a call as a gateway does that dies.
'use strict';

require('reflect-metadata');
const readline = require('node:readline');
const { Inject, Injectable, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ClientsModule, Transport } = require('@nestjs/microservices');

const CLIENT = 'TRANSLATION_PACKAGE';
const MESSAGE_BYTES = 50 * 1024 * 1024;
const [protoPath, url] = process.argv.slice(2);

class Gateway {
  constructor(client) {
    this.client = client;
  }

  onModuleInit() {
    this.service = this.client.getService('TranslationService');
  }
}
Injectable()(Gateway);
Inject(CLIENT)(Gateway, undefined, 0); // what decorators do; this way nothing needs to be compiled

class AppModule {}
Module({
  imports: [
    ClientsModule.register([
      {
        name: CLIENT,
        transport: Transport.GRPC,
        options: {
          package: 'translation',
          protoPath,
          url,
          loader: { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true },
          maxSendMessageLength: MESSAGE_BYTES,
          maxReceiveMessageLength: MESSAGE_BYTES,
          keepalive: {
            keepaliveTimeMs: Number(process.env.PING_MS || 60000),
            keepaliveTimeoutMs: 10000,
            keepalivePermitWithoutCalls: 1,
            http2MaxPingsWithoutData: 0,
          },
          channelOptions: {
            'grpc.keepalive_time_ms': 60000,
            'grpc.keepalive_timeout_ms': 30000, // the framework puts the 10 s above in its place
            'grpc.max_connection_idle_ms': 3600000,
            'grpc.max_connection_age_ms': 86400000,
          },
        },
      },
    ]),
  ],
  providers: [Gateway],
})(AppModule);

async function main() {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  const { service } = app.get(Gateway);
  const calls = new Map();
  const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  tell({ methods: Object.keys(service) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, call, request, drop } = JSON.parse(line);
    if (drop) {
      calls.get(id).unsubscribe();
      continue;
    }
    const began = performance.now();
    const ms = () => performance.now() - began;
    calls.set(
      id,
      service[call](request).subscribe({
        next: (message) => tell({ id, ms: ms(), message }),
        error: ({ code, details }) => tell({ id, ms: ms(), error: { code, details } }),
        complete: () => tell({ id, ms: ms(), end: true }),
      }),
    );
  }
  await app.close();
  process.exit();
}

main();
