# One log, three faces: sourced by scripts/demo. Three nodes with messages over HTTP, of which one is killed; a vdisk that is published to
# a content-addressed store, loses everything else, and is followed from there; two sites synchronised by logset, the vdisk restored at the
# second. All on loopback, over six redis-servers.

source "$root/scripts/demolib/redis.sh"
cmake --build "$root/build/release" --target tlogserver -- --quiet

stores_of() { # database: as --storage-addresses wants them
  local all=""
  for i in 0 1 2 3 4 5; do all+="${all:+,}unix:$work/redis-$i.sock@$1"; done
  echo "$all"
}
cluster_of() { # database: as a configuration wants it
  for i in 0 1 2 3 4 5; do echo "      - {address: \"unix:$work/redis-$i.sock\", db: \"$1\"}"; done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
declare -A server_pids=()
start_server() { # name, address, arguments: a tlogserver with a directory of its own
  local name=$1 address=$2
  shift 2
  mkdir -p "$name"
  "$bin/server/program/tlogserver" --address "$address" "$@" > "$name/out" 2>> "$name/log" &
  server_pids[$name]=$!
  other_pids+=($!)
  wait_for 20 grep -qs listening "$name/out"
}
end_server() { # name, signal
  kill "-$2" "${server_pids[$1]}"
  wait "${server_pids[$1]}" 2>/dev/null || true
}
for i in 0 1 2 3 4 5; do start_redis "$i"; done

say "2. Messages: three nodes, each with a log of its own; a message is confirmed when w of them have stored it"
node_ports=("$(free_port)" "$(free_port)" "$(free_port)")
log_ports=("$(free_port)" "$(free_port)" "$(free_port)")
url() { echo "http://127.0.0.1:${node_ports[$1]}"; }
echo "logs: {audit: {secondaries: [\"127.0.0.1:${log_ports[1]}\", \"127.0.0.1:${log_ports[2]}\"]}}" > master.yml
echo "logs: {audit: {master: \"$(url 0)\"}}" > secondary.yml
start_node() {
  local config=secondary.yml
  if [ "$1" = 0 ]; then config=master.yml; fi
  tlogctl keygen "node-$1.key" > /dev/null 2>&1 || true
  start_server "node-$1" "127.0.0.1:${log_ports[$1]}" --http "127.0.0.1:${node_ports[$1]}" --config "$config" \
    --storage-addresses "$(stores_of "$(($1 + 1))")" --priv-key-file "node-$1.key" --insecure
}
for i in 1 2 0; do start_node "$i"; done
health() { curl -s "$(url 0)/health" | python3 -c 'import json, sys; h = json.loads(sys.stdin.read() or "{}"); print(h.get("status"), [s["status"] for s in h.get("secondaries", [])])'; }
is_healthy() { [ "$(health)" = "healthy ['Healthy', 'Healthy']" ]; }
wait_for 30 is_healthy
echo "  \$ curl -d '{\"message\": \"before\", \"w\": 3}' $(url 0)/messages"
curl -sf -d '{"message": "before", "w": 3}' "$(url 0)/messages" | sed 's/^/    /'; echo
end_server node-2 9
echo "  the third node is killed; with w = 2 nobody notices:"
for i in $(seq 1 50); do curl -sf -d "{\"message\": \"message $i\", \"w\": 2}" "$(url 0)/messages" > /dev/null; done
echo "    50 messages confirmed; health: $(health)"
start_node 2
wait_for 30 is_healthy
messages() { curl -s "$(url "$1")/messages" | python3 -c 'import json, sys; print([(m["id"], m["message"]) for m in json.load(sys.stdin)["messages"]])'; }
all=$(messages 0)
has_all() { [ "$(messages "$1")" = "$all" ]; }
for i in 1 2; do wait_for 30 has_all "$i"; done
echo "    it is back, and all three nodes show the same $(echo "$all" | grep -o message | wc -l) and one before them, in one order"

say "3. A vdisk is written through nbdkit; its log is published to a content-addressed store that has nothing to do with its servers"
mkdir host
tlogctl keygen host/tlogdisk.key > /dev/null
{
  echo "keyFile: tlogdisk.key"
  echo "journal: {directory: journal, size: 64MiB, arenaDirectory: arena}"
  echo "clusters:"
  echo "  six:"
  echo "    servers:"
  cluster_of 0
  echo "vdisks: {vm1: {size: 64MiB, storage: {file: blocks/vm1}}}"
  echo "repos: {vm1: {vdisk: vm1}}"
  echo "cas: {publish: {vm1: {to: \"unix:$work/cas-grpc.sock\", embed: last 5}}}"
} > host/tlogdisk.yml
sed 's/^/    /' host/tlogdisk.yml
echo "cas: {directory: $work/contents}" > cas.yml
start_server cas "unix:$work/cas.sock" --config cas.yml --memorystorage --grpc "unix:$work/cas-grpc.sock"
serve host
logset_a=$(free_port)
start_server publisher "unix:$work/publisher.sock" --publish --config host/tlogdisk.yml --logset "127.0.0.1:$logset_a" --priv-key-file host/tlogdisk.key
export PATH=$PATH:/sbin:/usr/sbin
mkdir files
cp -r "$root/tlog" "$root/docs" "$root/scripts" files/
mke2fs -q -t ext4 -d files disk.img 64M
uri="nbd+unix:///?socket=$work/host/nbd.sock"
nbdcopy --flush disk.img "$uri"
tlogctl --config host/tlogdisk.yml flush vm1 | sed 's/^/    /'

say "4. logset: a second site takes a copy of the log, verified and without the key"
logset_b=$(free_port)
echo "repos: {vm1: {copy: $work/copy}}" > site.yml
start_server site "unix:$work/site.sock" --config site.yml --memorystorage --logset "127.0.0.1:$logset_b"
show tlogctl sync "http://127.0.0.1:$logset_a/vm1" "http://127.0.0.1:$logset_b/vm1"

wait_for 30 grep -q "event=published" publisher/log
say "5. A follower keeps the vdisk current from the store alone; then everything else is stopped"
"$bin/player/tlogplay" follow --remote "unix:$work/cas-grpc.sock" --vdisk vm1 --to standby.img --key-file host/tlogdisk.key \
  --json > follow.json &
follower=$!
other_pids+=("$follower")
expected=$(tlogplay --config host/tlogdisk.yml info vm1 --no-marks --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["range"]["last_sequence"])')
# What it has is told, a line each time.
follower_has_all() { tail -1 follow.json 2>/dev/null | python3 -c 'import json, sys; line = sys.stdin.read(); sys.exit(not line or json.loads(line)["sequence"] < int(sys.argv[1]))' "$expected"; }
wait_for 20 follower_has_all
tail -1 follow.json | sed 's/^/    /'
kill "$follower"
wait "$follower" 2>/dev/null || true
for name in publisher node-0 node-1 node-2; do end_server "$name" 9; done
kill -9 "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null || true
for i in 0 1 2 3 4 5; do kill_redis "$i"; done
rm -rf host/journal host/arena host/blocks redis-[0-5]
echo "  gone: nbdkit, its journal and blocks, six redis-servers with what they kept, the publisher, all nodes"

say "6. The vdisk from the content-addressed store, and from the second site's copy"
show tlogplay follow --once --remote "unix:$work/cas-grpc.sock" --vdisk vm1 --to again.img --key-file host/tlogdisk.key
show tlogplay follow --once --remote "unix:$work/cas-grpc.sock" --vdisk vm1 --to sealed
show tlogplay restore --from-logset copy --key-file host/tlogdisk.key --to second-site.img
for image in standby.img again.img second-site.img; do
  cmp "$image" disk.img
  echo "    $image: equal, byte for byte, to what was written"
done
for log in copy/*e*; do cmp "$log" "sealed/${log#copy/}"; done
echo "    sealed: equal, byte for byte, to the second site's copy; neither needed the key"
say "Done: one log, three faces, and nothing was lost."
