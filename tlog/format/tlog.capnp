# Tables of tlogdisk's formats (docs/format.md is normative). Fields are only ever added, with a new version number.
# Hashes and uuids are inline 64-bit words (their bytes in order, little-endian words), not Data: a table of a
# thousand records has one pointer, can be laid out in place, and is read without chasing anything.
@0xd5c9d1a1f0b7e4c2;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tlog::format::wire");

struct AggregationTable {
  version @0 :UInt16;
  vdisk :group { w0 @1 :UInt64; w1 @2 :UInt64; }
  number @3 :UInt64;
  epoch @4 :UInt64;
  firstSequence @5 :UInt64;
  lastSequence @6 :UInt64;
  timestamp @7 :UInt64;
  prev :group { w0 @8 :UInt64; w1 @9 :UInt64; w2 @10 :UInt64; w3 @11 :UInt64; }
  records @12 :List(RecordEntry);
}

# 64 bytes each.
struct RecordEntry {
  offset @0 :UInt64;
  size @1 :UInt64;
  timestamp @2 :UInt64;
  position @3 :UInt32;   # the sequence is firstSequence + position
  operation @4 :UInt8;
  hash :group { w0 @5 :UInt64; w1 @6 :UInt64; w2 @7 :UInt64; w3 @8 :UInt64; }
}

struct AggregationReference {
  number @0 :UInt64;
  epoch @1 :UInt64;
  firstSequence @2 :UInt64;
  lastSequence @3 :UInt64;
  firstTimestamp @4 :UInt64;
  lastTimestamp @5 :UInt64;
  hash :group { w0 @6 :UInt64; w1 @7 :UInt64; w2 @8 :UInt64; w3 @9 :UInt64; }
}

struct VdiskFormat {
  vdisk :group { w0 @0 :UInt64; w1 @1 :UInt64; }
  name @2 :Text;
  size @3 :UInt64;
  blockSize @4 :UInt32;
  dataShards @5 :UInt8;
  parityShards @6 :UInt8;
}

struct EpochEntry {
  epoch @0 :UInt64;
  started @1 :UInt64;
  firstNumber @2 :UInt64;
  firstSequence @3 :UInt64;
  writer @4 :Text;
  writeQuorum @5 :UInt8;   # since version 2
  journal :group { w0 @6 :UInt64; w1 @7 :UInt64; }   # since version 2
}

struct ServerEntry {
  server :group { w0 @0 :UInt64; w1 @1 :UInt64; }
  since @2 :UInt64;
  address @3 :Text;
  rebuilding @4 :Bool;
}

struct BlockPlace {
  cluster @0 :Text;
  switches @1 :UInt64;
  epoch @2 :UInt64;
  sequence @3 :UInt64;
  since @4 :UInt64;
}

struct Metadata {
  generation @0 :UInt64;
  format @1 :VdiskFormat;
  epochs @2 :List(EpochEntry);
  last @3 :List(AggregationReference);
  indexPages @4 :UInt64;
  keyId @5 :Data;
  servers @6 :List(ServerEntry);   # since version 2
  blocks @7 :BlockPlace;   # since version 3
  log :group { w0 @8 :UInt64; w1 @9 :UInt64; }   # since version 4
  complete @10 :UInt64;   # since version 4
}

struct IndexPage {
  page @0 :UInt64;
  previousPage :group { w0 @1 :UInt64; w1 @2 :UInt64; w2 @3 :UInt64; w3 @4 :UInt64; }
  entries @5 :List(AggregationReference);
}
