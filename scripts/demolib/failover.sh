# A vdisk on one cluster, a second one that follows: sourced by scripts/demo. While a client writes and checks what it reads,
# all servers of the first cluster are killed, the vdisk goes over, the old cluster is brought up to date and gone back to.

source "$root/scripts/demolib/redis.sh"

cluster_of() {
  echo "  $1:"
  echo "    servers:"
  for i in 0 1 2; do echo "      - {address: \"unix:$work/redis-$1-$i.sock\"}"; done
}
configure() {
  mkdir -p "$1"
  cp tlogdisk.key "$1/"
  {
    echo "keyFile: tlogdisk.key"
    echo "journal: {directory: journal, size: 64MiB, arenaDirectory: arena}"
    echo "clusters:"
    cluster_of log
    cluster_of primary
    cluster_of standby
    echo "tlog: {cluster: log, dataShards: 2, parityShards: 1, durability: cluster, flushTime: 1s}"
    echo "vdisks:"
    echo "  vm1:"
    echo "    size: 32MiB"
    echo "    storage: {cluster: primary}"
    echo "    slaveStorage: {cluster: standby, failoverAfter: 1s}"
    echo "    tlog: {slaveSync: true}"
  } > "$1/tlogdisk.yml"
}
ctl() { tlogctl --config host/tlogdisk.yml "$@"; }
show_ctl() { printf '  $ tlogctl'; printf ' %q' "$@"; echo; ctl "$@" | sed 's/^/    /'; }
standby_lines() { ctl status vm1 | grep -E '^  (standby  |lag|failing|receipt|ALARM)' | sed 's/^/  /'; }

# Of the client: how far it is, and whether it goes on.
client_says() { python3 -c 'import json, sys; print(json.load(open("client.json"))[sys.argv[1]])' "$1" 2>/dev/null || echo 0; }
client_lives() { kill -0 "$client" 2>/dev/null; }
has_written() { [ "$(client_says writes)" -ge "$1" ]; }
goes_on() {
  wait_for 60 has_written $(($(client_says writes) + 200))
  client_lives || { echo "    the client has ended:"; cat client.err; exit 1; }
  echo "    the client: $(client_says writes) writes, $(client_says flushes) flushes, $(client_says reads) blocks read and right, no error"
}
is_active() { ctl status vm1 --json | python3 -c '
import json, sys
vdisk = json.load(sys.stdin)["vdisks"][0]["standby"]
sys.exit(vdisk["active"] != sys.argv[1])' "$1"; }

# One line for all blocks of a cluster: their number, and a digest of their bytes in their order.
blocks_of() {
  for i in 0 1 2; do
    redis-cli -s "$work/redis-$1-$i.sock" eval '
      local key = redis.call("KEYS", "blocks:vm1:*")[1]
      local blocks = {}
      for _, field in ipairs(redis.call("HKEYS", key)) do
        if tonumber(field) then blocks[#blocks + 1] = tonumber(field) end
      end
      table.sort(blocks)
      local digests = {}
      for i, block in ipairs(blocks) do
        digests[i] = block .. " " .. redis.sha1hex(redis.call("HGET", key, tostring(block)))
      end
      return #blocks .. " blocks, sha1 " .. redis.sha1hex(table.concat(digests, "\n"))' 0
  done
}
same_blocks() { [ "$(blocks_of primary)" = "$(blocks_of standby)" ]; }

say "2. Nine redis-servers: three for the log (2 data + 1 parity), three for the vdisk's blocks, three that follow"
for i in 0 1 2; do for cluster in log primary standby; do start_redis "$cluster-$i"; done; done
show tlogctl keygen tlogdisk.key
configure host
sed 's/^/    /' host/tlogdisk.yml
serve host

say "3. A client writes, flushes, and checks what it reads, one request after the other"
/usr/bin/python3 "$root/scripts/demolib/client.py" "nbd+unix:///?socket=$work/host/nbd.sock" "$work" 2> client.err &
client=$!
other_pids+=("$client")
goes_on
show_ctl wait-slave-sync vm1
standby_lines

say "4. The primary dies: all its servers are killed with SIGKILL, and the client writes on"
for i in 0 1 2; do kill_redis "primary-$i"; done
wait_for 60 is_active standby
goes_on
echo "    its longest wait for an answer: $(client_says longestMs) ms (failoverAfter is 1 s)"
standby_lines

say "5. The receipt: what was acknowledged and what the standby had, by sequence and hash"
receipt=$(ls -t "$(find host -type d -name receipts)"/*.json | head -1)
sed 's/^/    /' "$receipt"
grep -q '0 acknowledged writes lost' "$receipt"

say "6. The primary's servers are started again, and get from the log what they lack, while the client writes on"
for i in 0 1 2; do start_redis "primary-$i"; done
show_ctl resync vm1
goes_on

say "7. Back to the primary, as planned; the standby follows again"
show_ctl failback vm1
is_active primary
goes_on
echo "    its longest wait for an answer so far: $(client_says longestMs) ms"

say "8. Comparing"
touch client.stop
wait_for 30 test -s client.img
wait "$client"
echo "    the client has ended well after $(client_says writes) writes, $(client_says flushes) flushes and $(client_says reads) reads"
show_ctl wait-slave-sync vm1
nbdcopy "nbd+unix:///?socket=$work/host/nbd.sock" vm1.img
cmp vm1.img client.img
echo "    the vdisk is equal, byte for byte, to what the client wrote"
wait_for 30 same_blocks
echo "    the blocks of both clusters are equal, byte for byte:"
paste <(blocks_of primary) <(blocks_of standby) | sed 's/\t/  =  /; s/^/    /'
show_ctl failover vm1
nbdcopy "nbd+unix:///?socket=$work/host/nbd.sock" standby.img
cmp standby.img client.img
echo "    and so is the vdisk when it is read from the standby"
say "Done: the primary died, and nobody noticed."
