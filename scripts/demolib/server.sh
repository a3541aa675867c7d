# A vdisk whose log three tlogservers keep, each a whole one, over the same six redis-servers: sourced by scripts/demo.
# While fio writes and verifies, each tlogserver is killed and started again; then the disk is restored from each log.

source "$root/scripts/demolib/redis.sh"
cmake --build "$root/build/release" --target tlogserver -- --quiet

declare -A server_pids=()
stores_of() { # database: as --storage-addresses wants them
  local all=""
  for i in 0 1 2 3 4 5; do all+="${all:+,}unix:$work/redis-$i.sock@$1"; done
  echo "$all"
}
start_server() {
  mkdir -p "server-$1"
  "$bin/server/program/tlogserver" --address "unix:$work/tlogserver-$1.sock" --storage-addresses "$(stores_of "$1")" \
    --flush-time 1 > "server-$1/out" 2>> "server-$1/log" &
  server_pids[$1]=$!
  other_pids+=($!)
  wait_for 20 test -S "tlogserver-$1.sock"
}
kill_server() {
  kill -9 "${server_pids[$1]}"
  wait "${server_pids[$1]}" 2>/dev/null || true
}
servers_say() { tlogctl --config host/tlogdisk.yml status vm1 | sed -n '/tlogserver/,$p' | sed 's/^/  /'; }
# Whether one of them is in this state, and has stored all that was appended.
server_is() {
  tlogctl --config host/tlogdisk.yml status vm1 --json | python3 -c '
import json, sys
vdisk = json.load(sys.stdin)["vdisks"][0]
servers = vdisk.get("logServers", [])  # none before it is opened
if not servers:
    sys.exit(1)
server = servers[int(sys.argv[1])]
whole = len(sys.argv) < 4 or server["stored"] >= vdisk["appended"]
sys.exit(server["state"] != sys.argv[2] or not whole)' "$@"
}
fio_goes_on() { kill -0 "$fio" 2>/dev/null || { echo "    fio has ended:"; cat fio.log; exit 1; }; }

say "2. Six redis-servers, and three tlogservers over them, each with a database of its own"
for i in 0 1 2 3 4 5; do start_redis "$i"; done
for i in 0 1 2; do start_server "$i"; done
echo "  \$ tlogserver --address unix:tlogserver-0.sock --storage-addresses unix:redis-0.sock@0,…,unix:redis-5.sock@0"
echo "    and two more, with @1 and @2"

say "3. A vdisk: what two of the three servers have stored counts as stored, and a FLUSH waits for that"
mkdir host
tlogctl keygen host/tlogdisk.key > /dev/null
cat > host/tlogdisk.yml <<YAML
keyFile: tlogdisk.key
journal: {directory: journal, size: 64MiB, arenaDirectory: arena}
tlog:
  servers: ["unix:$work/tlogserver-0.sock", "unix:$work/tlogserver-1.sock", "unix:$work/tlogserver-2.sock"]
  writeConcern: 2
  durability: cluster
  flushTime: 1s
vdisks:
  vm1: {size: 64MiB, storage: {file: blocks/vm1}}
YAML
sed 's/^/    /' host/tlogdisk.yml
serve host
uri="nbd+unix:///?socket=$work/host/nbd.sock"

say "4. fio writes, flushes and verifies through nbdkit; each tlogserver is killed under it and started again"
fio --name=demo --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k --size=48m --iodepth=16 --fsync=64 --time_based \
  --runtime=15 --verify=crc32c --verify_backlog=512 --verify_fatal=1 --rate_iops=2000 > fio.log 2>&1 &
fio=$!
other_pids+=("$fio")
for i in 0 1 2; do
  wait_for 30 server_is "$i" sending
  kill_server "$i"
  wait_for 30 server_is "$i" connecting
  echo "  tlogserver $i is dead, and fio goes on:"
  servers_say
  fio_goes_on
  start_server "$i"
  wait_for 30 server_is "$i" sending
done
wait "$fio" || { cat fio.log; exit 1; }
grep -E 'write:|err=' fio.log | sed 's/^ */    /'
tlogctl --config host/tlogdisk.yml flush vm1 | sed 's/^/    /'
for i in 0 1 2; do wait_for 60 server_is "$i" sending whole; done
echo "  all three have everything again:"
servers_say
nbdcopy "$uri" vm1.img

say "5. The host is gone, with journal and blocks; the disk is restored from the log of each server alone"
kill -9 "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null || true
for i in 0 1 2; do kill_server "$i"; done
for i in 0 1 2; do
  mkdir "restore-$i"
  cp host/tlogdisk.key "restore-$i/"
  {
    echo "keyFile: tlogdisk.key"
    echo "clusters:"
    echo "  server$i:"
    echo "    servers:"
    for j in 0 1 2 3 4 5; do echo "      - {address: \"unix:$work/redis-$j.sock\", db: \"$i\"}"; done
    echo "vdisks: {vm1: {size: 64MiB, storage: {file: blocks}}}"
  } > "restore-$i/tlogdisk.yml"
  tlogplay --config "restore-$i/tlogdisk.yml" verify vm1 | tail -1 | sed 's/^/    /'
  tlogplay --config "restore-$i/tlogdisk.yml" restore vm1 --to "server-$i.img" > /dev/null
  cmp "server-$i.img" vm1.img
  echo "    server-$i.img is equal, byte for byte, to what the vdisk was"
done
say "Done: every server died once, and each of them has all of it."
