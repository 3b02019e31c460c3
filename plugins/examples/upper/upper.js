// A plugin of Penstock without an SDK, written from plugins/wire/README.md: it writes a field
// in capitals, refuses a value that is no object, and lets go of records whose field is empty.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

if (process.env.PENSTOCK_PLUGIN !== "transform") {
  console.error("upper is a plugin of Penstock: name it in a pipeline file");
  process.exit(1);
}

const MAX_MESSAGE = 64 << 20;
const NEW_VALUE = 4;
const HEAD = 24; // parts, 0, headers, lengths of key, value and topic, time

const schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  additionalProperties: false,
  required: ["field"],
  properties: { field: { type: "string", description: "The field to write in capitals." } },
};

let settings = null;
let calls = 0;
let drained = null; // what waits for the calls that are under way

// values gives the value of each record of a block.
function* values(block, records) {
  let at = 0;
  for (let i = 0; i < records; i++) {
    const headers = block.readUInt16LE(at + 2);
    const key = block.readUInt32LE(at + 4);
    const value = block.readUInt32LE(at + 8);
    const topic = block.readUInt32LE(at + 12);
    yield block.subarray(at + HEAD + key, at + HEAD + key + value);
    at += HEAD + key + value + topic;
    for (let h = 0; h < headers; h++) {
      at += 8 + block.readUInt32LE(at) + block.readUInt32LE(at + 4);
    }
  }
  if (at !== block.length) {
    throw new Error("the block holds more than the call says");
  }
}

function run(kind, n) {
  const out = Buffer.alloc(5);
  out.writeUInt8(kind, 0);
  out.writeUInt32LE(n, 1);
  return out;
}

function refuse(why) {
  const text = Buffer.from(why);
  const out = Buffer.alloc(6);
  out.writeUInt8(3, 0);
  out.writeUInt32LE(text.length, 2);
  return Buffer.concat([out, text]);
}

// become makes one record of one, with another value.
function become(value) {
  const text = Buffer.from(value);
  const head = Buffer.alloc(HEAD);
  head.writeUInt8(NEW_VALUE, 0);
  head.writeUInt32LE(text.length, 8);
  return Buffer.concat([run(4, 1), head, text]);
}

// upper answers about one value. JSON.parse knows numbers of 53 bits only: a value is written
// anew only where its field changes, and not at all where it holds a number that would.
function upper(raw) {
  const text = raw.toString("utf8");
  const value = JSON.parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return refuse("the value is no object");
  }
  const was = value[settings.field];
  if (was === "") {
    return run(2, 1);
  }
  if (typeof was !== "string" || was.toUpperCase() === was) {
    return run(1, 1);
  }
  const quoted = JSON.stringify(was);
  const at = text.indexOf(quoted, text.indexOf(JSON.stringify(settings.field)));
  if (at < 0) {
    return refuse("the field is written with escapes, which this example does not look for");
  }
  return become(text.slice(0, at) + JSON.stringify(was.toUpperCase()) + text.slice(at + quoted.length));
}

const transform = {
  Describe: (_, done) =>
    done(null, { name: "upper", version: "1.0.0", doc: "Writes a field in capitals.", values: "DECODED", schema: JSON.stringify(schema), example: "field: user\n" }),
  Open: (call, done) => {
    const given = JSON.parse(call.request.settings || "{}");
    const problems = Object.keys(given)
      .filter((name) => name !== "field")
      .map((name) => ({ field: name, what: `unknown field "${name}"`, do: "write field" }));
    if (typeof given.field !== "string") {
      problems.push({ field: "", what: "field is missing, or no text", do: "write field: user" });
    }
    settings = given;
    done(null, { problems });
  },
  Apply: (call, done) => {
    calls++;
    try {
      const out = [];
      for (const raw of values(call.request.block, call.request.records)) {
        out.push(upper(raw));
      }
      done(null, { block: Buffer.concat(out) });
    } catch (err) {
      done({ code: grpc.status.INTERNAL, message: err.constructor.name });
    } finally {
      calls--;
      if (calls === 0 && drained) {
        drained();
      }
    }
  },
  Drain: (_, done) => {
    if (calls === 0) {
      done(null, {});
    } else {
      drained = () => done(null, {});
    }
  },
};

// bytes is a method of a service that go-plugin looks for, of which the messages do not matter.
const bytes = (service, method) => ({
  [method]: { path: `/${service}/${method}`, requestStream: false, responseStream: false, requestSerialize: (b) => b, requestDeserialize: (b) => b, responseSerialize: (b) => b, responseDeserialize: (b) => b },
});

const proto = path.join(__dirname, "..", "..", "wire", "transform.proto");
const definition = loader.loadSync(proto, { defaults: true, enums: String });
const server = new grpc.Server({ "grpc.max_receive_message_length": MAX_MESSAGE, "grpc.max_send_message_length": MAX_MESSAGE });
server.addService(definition["penstock.plugin.v1.Transform"], transform);
server.addService(bytes("grpc.health.v1.Health", "Check"), { Check: (_, done) => done(null, Buffer.from([8, 1])) });
server.addService(bytes("plugin.GRPCController", "Shutdown"), {
  Shutdown: (_, done) => {
    done(null, Buffer.alloc(0));
    server.tryShutdown(() => process.exit(0));
  },
});

const host = process.ppid;
setInterval(() => process.ppid === host || process.exit(1), 1000).unref();

const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR || "/tmp", `plugin${process.pid}`);
server.bindAsync("unix:" + socket, grpc.ServerCredentials.createInsecure(), (err) => {
  if (err) {
    console.error(err.message);
    process.exit(1);
  }
  process.stdout.write(`1|1|unix|${socket}|grpc\n`);
});
