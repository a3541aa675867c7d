# The log on six redis-servers: sourced by scripts/demo. While a client writes: one server is killed, a second one too and
# comes back, a third one is emptied and filled again; another host takes the vdisk over; it is restored without two servers.

source "$root/scripts/demolib/redis.sh"

# Its directory, its socket, its nbdkit: what differs between two hosts.
configure() {
  mkdir -p "$1"
  cp tlogdisk.key "$1/"
  {
    echo "keyFile: tlogdisk.key"
    echo "journal: {directory: journal, size: 64MiB, arenaDirectory: arena}"
    echo "clusters:"
    echo "  six:"
    echo "    servers:"
    for i in 0 1 2 3 4 5; do echo "      - {address: \"unix:$work/redis-$i.sock\"}"; done
    echo "tlog: {cluster: six, dataShards: 4, parityShards: 2, durability: cluster, flushTime: 1s}"
    echo "vdisks:"
    echo "  vm1: {size: 32MiB, storage: {file: blocks/vm1}}"
  } > "$1/tlogdisk.yml"
}
# Writes one generation after the other, each flushed, and says which was the last.
generation_file() { head -c 4194304 /dev/zero | openssl enc -aes-128-ctr -K "$(printf '%032x' "$1")" -iv "$(printf '%032x' 0)"; }
write_for_ever() {
  local uri="nbd+unix:///?socket=$work/$1/nbd.sock" i
  for ((i = 1; ; i++)); do
    generation_file "$i" > generation.img
    nbdcopy --flush generation.img "$uri" 2>> writer.log || { echo "failed" > writer.end; return; }
    echo "$i" > writer.last.new
    mv writer.last.new writer.last
  done
}
last() { cat writer.last 2>/dev/null || echo 0; }
has_reached() { [ "$(last)" -ge "$1" ]; }
goes_on() { wait_for 40 has_reached $(($(last) + 4)); echo "    generation $(last) is written and flushed"; }
is_stalled() { tlogctl --config "$1/tlogdisk.yml" status vm1 | grep -q "needed"; }
# All servers up, nothing missing on any.
is_whole() {
  tlogctl --config "$1/tlogdisk.yml" status vm1 --json | python3 -c '
import json, sys
vdisk = json.load(sys.stdin)
vdisk = vdisk.get("vdisks", vdisk) if isinstance(vdisk, dict) else vdisk
vdisk = vdisk[0] if isinstance(vdisk, list) else vdisk
sys.exit(vdisk["missingShards"] != 0 or any(store["state"] != "up" for store in vdisk["stores"]))'
}

say "2. Six redis-servers, and a vdisk whose log is spread over them (4 data + 2 parity)"
for i in 0 1 2 3 4 5; do start_redis "$i"; done
show tlogctl keygen tlogdisk.key
configure host-a
sed 's/^/    /' host-a/tlogdisk.yml
serve host-a

say "3. A client writes, and flushes after each generation of 4 MiB: with 'durability: cluster' a flush is in the servers"
write_for_ever host-a &
writer=$!
other_pids+=("$writer")
goes_on

say "4. One server is killed: writes go on"
kill_redis 2
goes_on

say "5. A second one is killed: too few are left to be safe, writes stall"
kill_redis 4
wait_for 20 is_stalled host-a
stalled_at=$(last)
tlogctl --config host-a/tlogdisk.yml status vm1 | grep -m1 needed | sed 's/^ */    /'
echo "    ... it comes back, and they resume by themselves"
start_redis 4
wait_for 40 has_reached $((stalled_at + 3))
goes_on
start_redis 2
wait_for 30 is_whole host-a

say "6. A third one loses everything, and is filled again while the client writes"
show redis-cli -s "$work/redis-1.sock" flushall
goes_on
wait_for 60 is_whole host-a
grep -o 'event=store_re[^ ]* .*redis-1.*' host-a/nbdkit.log | sed 's/^/    /'

say "7. Every shard on every server is read and checked"
show tlogctl --config host-a/tlogdisk.yml scrub vm1 --deep

say "8. Another host takes the vdisk over, while the first one still serves it"
configure host-b
written=$(last)
show tlogctl --config host-b/tlogdisk.yml takeover vm1
wait_for 30 test -e writer.end
wait_for 20 grep -q "taken the vdisk over" host-a/nbdkit.log
echo "    the first host says: $(grep -o 'another host has taken the vdisk over' host-a/nbdkit.log | head -1)"
[ "$(last)" -ge "$written" ]
final=$(last)
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null || true
serve host-b
# What the client was told is there; what it was not told may be there, whole or in part.
generation_file "$((final + 100))" > final.img
nbdcopy --flush final.img "nbd+unix:///?socket=$work/host-b/nbd.sock"
show tlogctl --config host-b/tlogdisk.yml flush vm1
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null || true
nbdkit_pid=

say "9. Two servers are lost for good: the vdisk is restored from the other four"
kill_redis 0
kill_redis 3
show tlogplay --config host-b/tlogdisk.yml restore vm1 --to end.img
if cmp -n 4194304 end.img final.img; then
  echo "    end.img: equal, byte for byte, to what was written last"
else
  echo "    end.img: DIFFERS from what was written last"
  exit 1
fi
say "Done: nothing was forgotten."
