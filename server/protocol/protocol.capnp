# Messages between a tlog client and a tlogserver (docs/protocol.md is normative). Fields are only ever added; a kind
# of message that an old peer must not be sent comes with a new version of the protocol. Names follow the TLog schema
# of the ancestor where there is a counterpart. Records are not here: see docs/protocol.md, "Records".
@0x8facfbc7125e5658;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tlog::protocol::wire");

struct Message {
  union {
    nothing @0 :Void;   # never sent: what zeros say
    hello @1 :Hello;
    welcome @2 :Welcome;
    refusal @3 :Refusal;
    attach @4 :Attach;
    attached @5 :Void;
    progress @6 :Progress;
    forceFlush @7 :ForceFlush;
    waitNbdSlaveSync @8 :WaitNbdSlaveSync;
    statusRequest @9 :StatusRequest;
    readLog @10 :ReadLog;
    reply @11 :Reply;
    echo @12 :Echo;
    disconnect @13 :Disconnect;
  }
}

enum Status {
  ok @0;
  invalidArgument @1;
  notFound @2;
  alreadyExists @3;
  corruption @4;
  wrongKey @5;
  ioError @6;
  noSpace @7;
  unavailable @8;
  timeout @9;
  fenced @10;
  shutdown @11;
  notSupported @12;
}

enum Role {
  none @0;
  writer @1;
  reader @2;
}

struct VdiskFormat {
  vdiskID :group { w0 @0 :UInt64; w1 @1 :UInt64; }
  name @2 :Text;
  size @3 :UInt64;
  blockSize @4 :UInt32;
  k @5 :UInt8;
  m @6 :UInt8;
}

struct Settings {
  flushSize @0 :UInt64;
  flushTime @1 :UInt64;   # nanoseconds
  writeQuorum @2 :UInt32;
  slaveSync @3 :Bool;
}

struct LogPosition {
  epoch @0 :UInt64;
  number @1 :UInt64;
  sequence @2 :UInt64;
  timestamp @3 :UInt64;
  hash :group { w0 @4 :UInt64; w1 @5 :UInt64; w2 @6 :UInt64; w3 @7 :UInt64; }
}

struct Hello {
  versionMin @0 :UInt16;
  version @1 :UInt16;
  role @2 :Role;
  mayCreate @3 :Bool;
  takeOver @4 :Bool;
  client @5 :Text;
  journal :group { w0 @6 :UInt64; w1 @7 :UInt64; }
  format @8 :VdiskFormat;
  settings @9 :Settings;
  key @10 :Data;
}

struct Welcome {
  version @0 :UInt16;
  created @1 :Bool;
  server :group { w0 @2 :UInt64; w1 @3 :UInt64; }
  session :group { w0 @4 :UInt64; w1 @5 :UInt64; }
  log :group { w0 @6 :UInt64; w1 @7 :UInt64; }
  format @8 :VdiskFormat;
  epoch @9 :UInt64;
  lastFlushed @10 :LogPosition;   # stored
  received @11 :UInt64;
  settings @12 :Settings;
  batchBytesMax @13 :UInt64;
  memoryBytesMax @14 :UInt64;
}

struct Refusal {
  status @0 :Status;
  reason @1 :Text;
}

struct Attach {
  session :group { w0 @0 :UInt64; w1 @1 :UInt64; }
}

struct Progress {
  received @0 :UInt64;
  flushed @1 :UInt64;   # stored
  synced @2 :UInt64;
}

struct ForceFlush {
  id @0 :UInt64;
  sequence @1 :UInt64;
}

struct WaitNbdSlaveSync {
  id @0 :UInt64;
  timeout @1 :UInt64;   # nanoseconds
}

struct StatusRequest {
  id @0 :UInt64;
}

struct ReadLog {
  id @0 :UInt64;
  first @1 :UInt64;
  last @2 :UInt64;
}

struct Reply {
  id @0 :UInt64;
  status @1 :Status;
  reason @2 :Text;   # with a status that is not ok
  sequences @3 :List(UInt64);
  text @4 :Text;
}

struct Echo {
  id @0 :UInt64;
  clientTime @1 :UInt64;
  serverTime @2 :UInt64;
}

struct Disconnect {
  status @0 :Status;
  reason @1 :Text;
}
